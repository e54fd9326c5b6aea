// Package scheduler sends a new connection to a server at random, a server of weight 2 twice as often as one of weight 1.
//
// What each function is for, docs/contract.md of Evenkeel says; evenkeel/evenkeel_plugin_scheduler has its types.
package scheduler

import (
	. "evenkeel.plugin/evenkeel/evenkeel_plugin_scheduler"
	"evenkeel.plugin/evenkeel/evenkeel_plugin_types"
	"evenkeel.plugin/evenkeel/wit/types"
)

// The most slots of a plan, unless there are more servers. Weights that need more are rounded.
const maxSlots = 4096

// Servers with less weight than this get no connections.
var leastWeight int64 = 1

// The servers, as they are now.
var servers []Backend

func done() wit_types.Result[wit_types.Unit, string] {
	return wit_types.Ok[wit_types.Unit, string](wit_types.Unit{})
}

// Describe says what can be configured: settings = { least-weight = 2 }.
func Describe() Manifest {
	return Manifest{
		Name:    "{{name}}",
		Version: "0.1.0",
		Summary: "at random, by weight",
		Settings: []evenkeel_plugin_types.SettingSpec{{
			Key:     "least-weight",
			Doc:     "Servers with less weight than this get no connections.",
			Kind:    evenkeel_plugin_types.MakeSettingKindInteger(wit_types.Tuple2[int64, int64]{F0: 1, F1: 65535}),
			Default: wit_types.Some(evenkeel_plugin_types.MakeSettingValueInteger(1)),
		}},
	}
}

// ListAbilities: its plans are followed; it wants to be told of servers and weights only.
func ListAbilities() Abilities {
	return Abilities{Decisions: []Decision{DecisionPlan}, Deterministic: true, Stateless: true}
}

// Configure refuses settings that make no sense with wit_types.Err and the reason.
func Configure(settings []Setting, context Context) wit_types.Result[wit_types.Unit, string] {
	for _, setting := range settings {
		// It is within its range already.
		if setting.Key == "least-weight" {
			leastWeight = setting.Value.Integer()
		}
	}
	return done()
}

// Validate says whether the settings make sense with these servers.
func Validate(backends []Backend) wit_types.Result[wit_types.Unit, string] {
	return done()
}

// ImportState gets what the instance before this one has handed over.
func ImportState(state SavedState) wit_types.Result[wit_types.Unit, string] {
	return wit_types.Err[wit_types.Unit, string]("it keeps no state")
}

// ExportState hands over to the next instance.
func ExportState() wit_types.Option[SavedState] {
	return wit_types.None[SavedState]()
}

// SetRole tells the role of this director.
func SetRole(role Role) {}

// SetBackends is called when servers come, go or change their weight.
func SetBackends(backends []Backend) {
	servers = backends
}

// SetLoads tells counts that have changed, where the abilities ask for them.
func SetLoads(loads []Load) {}

// MakePlan is called after that. The kernel follows the plan until the next call.
func MakePlan() Plan {
	var chosen []Backend
	var total uint64
	for _, server := range servers {
		if int64(server.Weight) >= leastWeight {
			chosen = append(chosen, server)
			total += uint64(server.Weight)
		}
	}
	if len(chosen) == 0 {
		return MakePlanNone()
	}
	most := min(total, maxSlots)
	var slots []Run
	for _, server := range chosen {
		width := max(1, uint64(server.Weight)*most/total)
		slots = append(slots, Run{Id: server.Id, Width: uint32(width)})
	}
	return MakePlanTable(Table{Slots: slots, Selector: MakeSelectorRandom(), RefreshMs: wit_types.None[uint32]()})
}

// Pick is called for each connection, where the abilities say so.
func Pick(flow Flow) wit_types.Option[uint32] {
	return wit_types.None[uint32]()
}
