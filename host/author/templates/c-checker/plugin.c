// A server is healthy if it greets with the configured word, as mail servers do with "220".
//
// evenkeel/health_checker_plugin.h has the contract; what each function is for, docs/contract.md of Evenkeel says. What a
// function is given is its own, to be freed by it; what it returns is freed for it, and has to come from malloc.
#include <stdlib.h>
#include <string.h>

#include "evenkeel/health_checker_plugin.h"

// What the server's first bytes have to be.
static health_checker_plugin_string_t greeting;

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) abort();
    return memory;
}

// What can be configured: settings = { greeting = "220" }.
void exports_evenkeel_plugin_health_checker_describe(exports_evenkeel_plugin_health_checker_manifest_t *ret) {
    health_checker_plugin_string_dup(&ret->name, "{{name}}");
    health_checker_plugin_string_dup(&ret->version, "0.1.0");
    health_checker_plugin_string_dup(&ret->summary, "the server greets with a word");
    evenkeel_plugin_types_setting_spec_t *setting = allocate(1, sizeof *setting);
    health_checker_plugin_string_dup(&setting->key, "greeting");
    health_checker_plugin_string_dup(&setting->doc, "What the server's first bytes have to be.");
    setting->kind.tag = EVENKEEL_PLUGIN_TYPES_SETTING_KIND_TEXT;
    setting->default_.is_some = true;
    setting->default_.val.tag = EVENKEEL_PLUGIN_TYPES_SETTING_VALUE_TEXT;
    health_checker_plugin_string_dup(&setting->default_.val.val.text, "220");
    ret->settings.ptr = setting;
    ret->settings.len = 1;
}

// True: the settings are good. Otherwise err says why not.
bool exports_evenkeel_plugin_health_checker_configure(exports_evenkeel_plugin_health_checker_list_setting_t *settings,
                                                      health_checker_plugin_string_t *err) {
    // There is one, which is text.
    if (settings->len > 0) {
        health_checker_plugin_string_t *text = &settings->ptr[0].value.val.text;
        health_checker_plugin_string_dup_n(&greeting, (const char *)text->ptr, text->len);
    }
    exports_evenkeel_plugin_health_checker_list_setting_free(settings);
    if (greeting.len == 0) {
        health_checker_plugin_string_dup(err, "greeting is empty: say what the server begins with");
        return false;
    }
    return true;
}

static void unhealthy(exports_evenkeel_plugin_health_checker_verdict_t *ret, const char *reason) {
    ret->tag = EXPORTS_EVENKEEL_PLUGIN_HEALTH_CHECKER_VERDICT_UNHEALTHY;
    health_checker_plugin_string_dup(&ret->val.unhealthy, reason);
}

// What has gone wrong, in words.
static const char *words(const evenkeel_plugin_target_io_error_t *error) {
    switch (error->tag) {
        case EVENKEEL_PLUGIN_TARGET_IO_ERROR_REFUSED: return "connection refused";
        case EVENKEEL_PLUGIN_TARGET_IO_ERROR_UNREACHABLE: return "unreachable";
        case EVENKEEL_PLUGIN_TARGET_IO_ERROR_RESET: return "connection reset";
        case EVENKEEL_PLUGIN_TARGET_IO_ERROR_TIMED_OUT: return "timed out";
        default: return "cannot be asked";
    }
}

// Reads as many bytes as the greeting has, and compares.
static void ask(evenkeel_plugin_target_io_own_connection_t connection,
                exports_evenkeel_plugin_health_checker_verdict_t *ret) {
    evenkeel_plugin_target_io_borrow_connection_t borrowed = evenkeel_plugin_target_io_borrow_connection(connection);
    size_t seen = 0;
    while (seen < greeting.len) {
        health_checker_plugin_list_u8_t bytes;
        evenkeel_plugin_target_io_error_t error;
        uint32_t most = (uint32_t)(greeting.len - seen);
        if (!evenkeel_plugin_target_io_method_connection_read(borrowed, most, NULL, &bytes, &error)) {
            unhealthy(ret, words(&error));
            evenkeel_plugin_target_io_error_free(&error);
            return;
        }
        // No bytes: the server has closed its side.
        bool same = bytes.len > 0 && memcmp(bytes.ptr, greeting.ptr + seen, bytes.len) == 0;
        seen += bytes.len;
        health_checker_plugin_list_u8_free(&bytes);
        if (!same) {
            unhealthy(ret, "it greets otherwise");
            return;
        }
    }
    ret->tag = EXPORTS_EVENKEEL_PLUGIN_HEALTH_CHECKER_VERDICT_HEALTHY;
}

// One check of one server. No time is given: the check's own deadline counts.
void exports_evenkeel_plugin_health_checker_check(exports_evenkeel_plugin_health_checker_own_target_t target,
                                                  exports_evenkeel_plugin_health_checker_verdict_t *ret) {
    evenkeel_plugin_target_io_transport_t transport = {.tag = EVENKEEL_PLUGIN_TARGET_IO_TRANSPORT_TCP};
    evenkeel_plugin_target_io_own_connection_t connection;
    evenkeel_plugin_target_io_error_t error;
    evenkeel_plugin_target_io_borrow_target_t borrowed = evenkeel_plugin_target_io_borrow_target(target);
    if (evenkeel_plugin_target_io_method_target_connect(borrowed, &transport, NULL, &connection, &error)) {
        ask(connection, ret);
        evenkeel_plugin_target_io_connection_drop_own(connection);
    } else {
        unhealthy(ret, words(&error));
        evenkeel_plugin_target_io_error_free(&error);
    }
    evenkeel_plugin_target_io_target_drop_own(target);
}
