// Sends a new connection to a server at random, a server of weight 2 twice as often as one of weight 1.
//
// What each function is for, docs/contract.md of Evenkeel says; evenkeel/plugin.wit is the contract itself. Names are
// in camel case here, enums are strings, and variants are objects with a `tag` and a `val`. What may fail throws.

// The most slots of a plan, unless there are more servers. Weights that need more are rounded.
const MAX_SLOTS = 4096;

// Servers with less weight than this get no connections.
let leastWeight = 1;

// The servers, as they are now.
let servers = [];

export const scheduler = {
    // What can be configured: settings = { least-weight = 2 }.
    describe() {
        return {
            name: "{{name}}",
            version: "0.1.0",
            summary: "at random, by weight",
            settings: [
                {
                    key: "least-weight",
                    doc: "Servers with less weight than this get no connections.",
                    kind: { tag: "integer", val: [1, 65535] },
                    default: { tag: "integer", val: 1 },
                    required: false,
                },
            ],
        };
    },

    // Its plans are followed; it wants to be told of servers and weights only.
    listAbilities() {
        return {
            decisions: ["plan"],
            facts: { connections: false, latency: false },
            deterministic: true,
            stateless: true,
            labels: [],
            delegates: [],
        };
    },

    // Settings that make no sense are refused by: throw "why".
    configure(settings, context) {
        for (const { key, value } of settings) {
            // It is within its range already.
            if (key === "least-weight") leastWeight = value.val;
        }
    },

    // Whether the settings make sense with these servers.
    validate(backends) {},

    importState(state) {
        throw "it keeps no state";
    },

    exportState() {
        return null;
    },

    setRole(role) {},

    // Called when servers come, go or change their weight.
    setBackends(backends) {
        servers = backends;
    },

    setLoads(loads) {},

    // Called after that. The kernel follows the plan until the next call.
    makePlan() {
        const chosen = servers.filter(({ weight }) => weight >= leastWeight);
        if (chosen.length === 0) return { tag: "none" };
        const total = chosen.reduce((sum, { weight }) => sum + weight, 0);
        const share = total > MAX_SLOTS ? MAX_SLOTS / total : 1;
        const slots = chosen.map(({ id, weight }) => ({ id, width: Math.max(1, Math.floor(weight * share)) }));
        return { tag: "table", val: { slots, selector: { tag: "random" }, refreshMs: null } };
    },

    // Called for each connection, where the abilities say so.
    pick(flow) {
        return null;
    },
};
