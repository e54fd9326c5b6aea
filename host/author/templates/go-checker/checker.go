// Package checker: a server is healthy if it greets with the configured word, as mail servers do with "220".
//
// What each function is for, docs/contract.md of Evenkeel says; evenkeel/evenkeel_plugin_health_checker has its types,
// and evenkeel/evenkeel_plugin_target_io the connection to the server.
package checker

import (
	"bytes"

	. "evenkeel.plugin/evenkeel/evenkeel_plugin_health_checker"
	"evenkeel.plugin/evenkeel/evenkeel_plugin_target_io"
	"evenkeel.plugin/evenkeel/evenkeel_plugin_types"
	"evenkeel.plugin/evenkeel/wit/types"
)

// What the server's first bytes have to be.
var greeting = []byte("220")

// What has gone wrong, in words.
var words = map[uint8]string{
	evenkeel_plugin_target_io.ErrorRefused:     "connection refused",
	evenkeel_plugin_target_io.ErrorUnreachable: "unreachable",
	evenkeel_plugin_target_io.ErrorReset:       "connection reset",
	evenkeel_plugin_target_io.ErrorTimedOut:    "timed out",
}

// Describe says what can be configured: settings = { greeting = "220" }.
func Describe() Manifest {
	return Manifest{
		Name:    "{{name}}",
		Version: "0.1.0",
		Summary: "the server greets with a word",
		Settings: []evenkeel_plugin_types.SettingSpec{{
			Key:     "greeting",
			Doc:     "What the server's first bytes have to be.",
			Kind:    evenkeel_plugin_types.MakeSettingKindText(),
			Default: wit_types.Some(evenkeel_plugin_types.MakeSettingValueText("220")),
		}},
	}
}

// Configure refuses settings that make no sense with wit_types.Err and the reason.
func Configure(settings []Setting) wit_types.Result[wit_types.Unit, string] {
	for _, setting := range settings {
		if setting.Key == "greeting" {
			greeting = []byte(setting.Value.Text())
		}
	}
	if len(greeting) == 0 {
		return wit_types.Err[wit_types.Unit, string]("greeting is empty: say what the server begins with")
	}
	return wit_types.Ok[wit_types.Unit, string](wit_types.Unit{})
}

func unhealthy(why evenkeel_plugin_target_io.Error) Verdict {
	if text, known := words[why.Tag()]; known {
		return MakeVerdictUnhealthy(text)
	}
	return MakeVerdictUnhealthy("cannot be asked")
}

// Check is one check of one server. No time is given: the check's own deadline counts.
func Check(target *Target) Verdict {
	defer target.Drop()
	connected := target.Connect(evenkeel_plugin_target_io.MakeTransportTcp(), wit_types.None[uint32]())
	if connected.IsErr() {
		return unhealthy(connected.Err())
	}
	connection := connected.Ok()
	defer connection.Drop()
	// As many bytes as the greeting has.
	var seen []byte
	for len(seen) < len(greeting) {
		read := connection.Read(uint32(len(greeting)-len(seen)), wit_types.None[uint32]())
		if read.IsErr() {
			return unhealthy(read.Err())
		}
		some := read.Ok()
		// No bytes: the server has closed its side.
		if len(some) == 0 {
			break
		}
		seen = append(seen, some...)
	}
	if !bytes.Equal(seen, greeting) {
		return MakeVerdictUnhealthy("it greets otherwise")
	}
	return MakeVerdictHealthy()
}
