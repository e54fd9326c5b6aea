module evenkeel.plugin

go 1.25
