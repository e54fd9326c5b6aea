"""A server is healthy if it greets with the configured word, as mail servers do with "220".

What each function is for, docs/contract.md of Evenkeel says; evenkeel/plugin.wit is the contract itself. Names are in
snake case here; a case of a variant is a class such as `Transport_Tcp`. What may fail raises `Err`.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.health_checker import Verdict, Verdict_Healthy, Verdict_Unhealthy
from wit_world.imports.target_io import (
    Connection,
    Error_Refused,
    Error_Reset,
    Error_TimedOut,
    Error_Unreachable,
    Target,
    Transport_Tcp,
)
from wit_world.imports.types import (
    Manifest,
    Setting,
    SettingKind_Text,
    SettingSpec,
    SettingValue_Text,
)

# What the server's first bytes have to be.
greeting = b"220"

# What has gone wrong, in words.
WORDS = {
    Error_Refused: "connection refused",
    Error_Unreachable: "unreachable",
    Error_Reset: "connection reset",
    Error_TimedOut: "timed out",
}


def greets(connection: Connection) -> bool:
    """Reads as many bytes as the greeting has, and compares."""
    seen = b""
    while len(seen) < len(greeting):
        some = connection.read(len(greeting) - len(seen), None)
        # No bytes: the server has closed its side.
        if not some:
            return False
        seen += some
    return seen == greeting


class HealthChecker(exports.HealthChecker):
    def describe(self) -> Manifest:
        """What can be configured: settings = { greeting = "220" }."""
        word = SettingSpec(
            key="greeting",
            doc="What the server's first bytes have to be.",
            kind=SettingKind_Text(),
            default=SettingValue_Text("220"),
            required=False,
        )
        return Manifest("{{name}}", "0.1.0", "the server greets with a word", [word])

    def configure(self, settings: list[Setting]) -> None:
        """Settings that make no sense are refused by: raise Err("why")."""
        global greeting
        for setting in settings:
            if setting.key == "greeting":
                greeting = setting.value.value.encode()
        if not greeting:
            raise Err("greeting is empty: say what the server begins with")

    def check(self, target: Target) -> Verdict:
        """One check of one server. No time is given: the check's own deadline counts."""
        try:
            with target, target.connect(Transport_Tcp(), None) as connection:
                if greets(connection):
                    return Verdict_Healthy()
                return Verdict_Unhealthy("it greets otherwise")
        except Err as error:
            return Verdict_Unhealthy(WORDS.get(type(error.value), "cannot be asked"))
