// Sends a new connection to a server at random, a server of weight 2 twice as often as one of weight 1.
//
// evenkeel/scheduler_plugin.h has the contract; what each function is for, docs/contract.md of Evenkeel says. What a
// function is given is its own, to be freed by it; what it returns is freed for it, and has to come from malloc.
#include <stdlib.h>

#include "evenkeel/scheduler_plugin.h"

// The most slots of a plan, unless there are more servers. Weights that need more are rounded.
#define MAX_SLOTS 4096

// Servers with less weight than this get no connections.
static int64_t least_weight = 1;

// The servers, as they are now.
static exports_evenkeel_plugin_scheduler_list_backend_t servers;

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) abort();
    return memory;
}

// What can be configured: settings = { least-weight = 2 }.
void exports_evenkeel_plugin_scheduler_describe(exports_evenkeel_plugin_scheduler_manifest_t *ret) {
    scheduler_plugin_string_dup(&ret->name, "{{name}}");
    scheduler_plugin_string_dup(&ret->version, "0.1.0");
    scheduler_plugin_string_dup(&ret->summary, "at random, by weight");
    evenkeel_plugin_types_setting_spec_t *setting = allocate(1, sizeof *setting);
    scheduler_plugin_string_dup(&setting->key, "least-weight");
    scheduler_plugin_string_dup(&setting->doc, "Servers with less weight than this get no connections.");
    setting->kind.tag = EVENKEEL_PLUGIN_TYPES_SETTING_KIND_INTEGER;
    setting->kind.val.integer = (scheduler_plugin_tuple2_s64_s64_t){1, 65535};
    setting->default_.is_some = true;
    setting->default_.val.tag = EVENKEEL_PLUGIN_TYPES_SETTING_VALUE_INTEGER;
    setting->default_.val.val.integer = 1;
    ret->settings.ptr = setting;
    ret->settings.len = 1;
}

// Its plans are followed; it wants to be told of servers and weights only.
void exports_evenkeel_plugin_scheduler_list_abilities(exports_evenkeel_plugin_scheduler_abilities_t *ret) {
    exports_evenkeel_plugin_scheduler_decision_t *decision = allocate(1, sizeof *decision);
    *decision = EXPORTS_EVENKEEL_PLUGIN_SCHEDULER_DECISION_PLAN;
    ret->decisions.ptr = decision;
    ret->decisions.len = 1;
    ret->facts = 0;
    ret->deterministic = true;
    ret->stateless = true;
    // Which labels of the servers it reads: none.
    ret->labels.ptr = NULL;
    ret->labels.len = 0;
    // Which schedulers its plans may name for a group of servers: none.
    ret->delegates.ptr = NULL;
    ret->delegates.len = 0;
}

// True: the settings are good. Otherwise err says why not.
bool exports_evenkeel_plugin_scheduler_configure(exports_evenkeel_plugin_scheduler_list_setting_t *settings,
                                                 exports_evenkeel_plugin_scheduler_context_t *context,
                                                 scheduler_plugin_string_t *err) {
    (void)err;
    // There is one, which is checked already.
    if (settings->len > 0) least_weight = settings->ptr[0].value.val.integer;
    exports_evenkeel_plugin_scheduler_list_setting_free(settings);
    exports_evenkeel_plugin_scheduler_context_free(context);
    return true;
}

// Whether the settings make sense with these servers.
bool exports_evenkeel_plugin_scheduler_validate(exports_evenkeel_plugin_scheduler_list_backend_t *backends,
                                                scheduler_plugin_string_t *err) {
    (void)err;
    exports_evenkeel_plugin_scheduler_list_backend_free(backends);
    return true;
}

bool exports_evenkeel_plugin_scheduler_import_state(exports_evenkeel_plugin_scheduler_saved_state_t *state,
                                                    scheduler_plugin_string_t *err) {
    exports_evenkeel_plugin_scheduler_saved_state_free(state);
    scheduler_plugin_string_dup(err, "it keeps no state");
    return false;
}

bool exports_evenkeel_plugin_scheduler_export_state(exports_evenkeel_plugin_scheduler_saved_state_t *ret) {
    (void)ret;
    return false;
}

void exports_evenkeel_plugin_scheduler_set_role(exports_evenkeel_plugin_scheduler_role_t role) {
    (void)role;
}

// Called when servers come, go or change their weight.
void exports_evenkeel_plugin_scheduler_set_backends(exports_evenkeel_plugin_scheduler_list_backend_t *backends) {
    exports_evenkeel_plugin_scheduler_list_backend_free(&servers);
    servers = *backends;
}

void exports_evenkeel_plugin_scheduler_set_loads(exports_evenkeel_plugin_scheduler_list_load_t *loads) {
    exports_evenkeel_plugin_scheduler_list_load_free(loads);
}

static bool is_chosen(const exports_evenkeel_plugin_scheduler_backend_t *server) {
    return server->weight > 0 && server->weight >= least_weight;
}

// Called after that. The kernel follows the plan until the next call.
void exports_evenkeel_plugin_scheduler_make_plan(exports_evenkeel_plugin_scheduler_plan_t *ret) {
    uint64_t total = 0;
    size_t chosen = 0;
    for (size_t i = 0; i < servers.len; i++) {
        if (!is_chosen(&servers.ptr[i])) continue;
        total += servers.ptr[i].weight;
        chosen++;
    }
    if (chosen == 0) {
        ret->tag = EXPORTS_EVENKEEL_PLUGIN_SCHEDULER_PLAN_NONE;
        return;
    }
    exports_evenkeel_plugin_scheduler_run_t *runs = allocate(chosen, sizeof *runs);
    size_t filled = 0;
    for (size_t i = 0; i < servers.len; i++) {
        if (!is_chosen(&servers.ptr[i])) continue;
        uint64_t width = servers.ptr[i].weight;
        if (total > MAX_SLOTS) width = width * MAX_SLOTS / total;
        runs[filled].id = servers.ptr[i].id;
        runs[filled].width = width ? (uint32_t)width : 1;
        filled++;
    }
    ret->tag = EXPORTS_EVENKEEL_PLUGIN_SCHEDULER_PLAN_TABLE;
    ret->val.table.slots.ptr = runs;
    ret->val.table.slots.len = filled;
    ret->val.table.selector.tag = EXPORTS_EVENKEEL_PLUGIN_SCHEDULER_SELECTOR_RANDOM;
    ret->val.table.refresh_ms.is_some = false;
}

// Called for each connection, where the abilities say so.
bool exports_evenkeel_plugin_scheduler_pick(exports_evenkeel_plugin_scheduler_flow_t *flow,
                                            exports_evenkeel_plugin_scheduler_backend_id_t *ret) {
    (void)flow;
    (void)ret;
    return false;
}
