"""Sends a new connection to a server at random, a server of weight 2 twice as often as one of weight 1.

What each function is for, docs/contract.md of Evenkeel says; evenkeel/plugin.wit is the contract itself. Names are in
snake case here; a case of a variant is a class such as `Plan_Table`. What may fail raises `Err`.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.scheduler import (
    Abilities,
    Backend,
    Context,
    Decision,
    Facts,
    Flow,
    Load,
    Plan,
    Plan_None_,
    Plan_Table,
    Role,
    Run,
    SavedState,
    Selector_Random,
    Table,
)
from wit_world.imports.types import (
    Manifest,
    Setting,
    SettingKind_Integer,
    SettingSpec,
    SettingValue_Integer,
)

# The most slots of a plan, unless there are more servers. Weights that need more are rounded.
MAX_SLOTS = 4096

# Servers with less weight than this get no connections.
least_weight = 1

# The servers, as they are now.
servers: list[Backend] = []


class Scheduler(exports.Scheduler):
    def describe(self) -> Manifest:
        """What can be configured: settings = { least-weight = 2 }."""
        least = SettingSpec(
            key="least-weight",
            doc="Servers with less weight than this get no connections.",
            kind=SettingKind_Integer((1, 65535)),
            default=SettingValue_Integer(1),
            required=False,
        )
        return Manifest("{{name}}", "0.1.0", "at random, by weight", [least])

    def list_abilities(self) -> Abilities:
        """Its plans are followed; it wants to be told of servers and weights only."""
        return Abilities(
            decisions=[Decision.PLAN], facts=Facts(0), deterministic=True, stateless=True, labels=[], delegates=[]
        )

    def configure(self, settings: list[Setting], context: Context) -> None:
        """Settings that make no sense are refused by: raise Err("why")."""
        global least_weight
        for setting in settings:
            # It is within its range already.
            if setting.key == "least-weight":
                least_weight = setting.value.value

    def validate(self, backends: list[Backend]) -> None:
        """Whether the settings make sense with these servers."""

    def import_state(self, state: SavedState) -> None:
        raise Err("it keeps no state")

    def export_state(self) -> SavedState | None:
        return None

    def set_role(self, role: Role) -> None:
        pass

    def set_backends(self, backends: list[Backend]) -> None:
        """Called when servers come, go or change their weight."""
        global servers
        servers = backends

    def set_loads(self, loads: list[Load]) -> None:
        pass

    def make_plan(self) -> Plan:
        """Called after that. The kernel follows the plan until the next call."""
        chosen = [server for server in servers if server.weight >= least_weight]
        if not chosen:
            return Plan_None_()
        total = sum(server.weight for server in chosen)
        most = min(total, MAX_SLOTS)
        slots = [Run(server.id, max(1, server.weight * most // total)) for server in chosen]
        return Plan_Table(Table(slots, Selector_Random(), None))

    def pick(self, flow: Flow) -> int | None:
        """Called for each connection, where the abilities say so."""
        return None
