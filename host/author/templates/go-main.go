// The plugin {{name}}. What it does is in the package {{kind}}.
package main

import _ "evenkeel.plugin/evenkeel/wit_exports"

func main() {}
