package store

import (
	"embed"

	"github.com/redis/go-redis/v9"
)

//go:embed lua
var lua embed.FS

// The scripts, each one change or one read of one key.
var (
	keepScript      = script("keep")
	readScript      = script("read")
	claimScript     = script("claim")
	directoryScript = script("directory")
	enterScript     = script("enter")
	tellScript      = script("tell")
	leaseScript     = script("lease")
	recordScript    = script("record")
	releaseScript   = script("release")
	beginScript     = script("begin")
	moveScript      = script("move")
	saidScript      = script("said")
	forgetScript    = script("forget")
	adoptScript     = script("adopt")
)

func script(name string) *redis.Script {
	text, err := lua.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // not in the binary: every test fails at once
	}
	return redis.NewScript(string(text))
}
