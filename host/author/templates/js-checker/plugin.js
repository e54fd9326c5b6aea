// A server is healthy if it greets with the configured word, as mail servers do with "220".
//
// What each function is for, docs/contract.md of Evenkeel says; evenkeel/plugin.wit is the contract itself. Names are
// in camel case here, enums are strings, and variants are objects with a `tag` and a `val`. What may fail throws.

// What the server's first bytes have to be.
let greeting = "220";

// What has gone wrong, in words.
const WORDS = {
    refused: "connection refused",
    unreachable: "unreachable",
    reset: "connection reset",
    "timed-out": "timed out",
};

// UTF-8, of which the engine has no encoder.
function bytesOf(text) {
    const escaped = encodeURIComponent(text).match(/%..|./g) ?? [];
    return escaped.map((it) => (it.length === 3 ? parseInt(it.slice(1), 16) : it.charCodeAt(0)));
}

// Reads as many bytes as the greeting has, and compares.
function greets(connection, wanted) {
    let seen = 0;
    while (seen < wanted.length) {
        const bytes = connection.read(wanted.length - seen, null);
        // No bytes: the server has closed its side.
        if (bytes.length === 0 || bytes.some((byte, at) => byte !== wanted[seen + at])) return false;
        seen += bytes.length;
    }
    return true;
}

export const healthChecker = {
    // What can be configured: settings = { greeting = "220" }.
    describe() {
        return {
            name: "{{name}}",
            version: "0.1.0",
            summary: "the server greets with a word",
            settings: [
                {
                    key: "greeting",
                    doc: "What the server's first bytes have to be.",
                    kind: { tag: "text" },
                    default: { tag: "text", val: "220" },
                    required: false,
                },
            ],
        };
    },

    configure(settings) {
        for (const { key, value } of settings) {
            if (key === "greeting") greeting = value.val;
        }
        if (greeting === "") throw "greeting is empty: say what the server begins with";
    },

    // One check of one server. No time is given: the check's own deadline counts.
    check(target) {
        try {
            const connection = target.connect({ tag: "tcp" }, null);
            if (greets(connection, bytesOf(greeting))) return { tag: "healthy" };
            return { tag: "unhealthy", val: "it greets otherwise" };
        } catch (error) {
            const tag = error.payload?.tag ?? error.tag;
            return { tag: "unhealthy", val: WORDS[tag] ?? `cannot be asked: ${tag ?? error}` };
        }
    },
};
