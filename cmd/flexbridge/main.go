// Flexbridge lets an AI assistant ask a person in Twilio Flex.
//
//	flexbridge [serve]   the service, configured by the environment
//	flexbridge setup     make what it needs in the Twilio account
//	flexbridge doctor    whether everything is as it must be
//	flexbridge demo      the service between a pretend Twilio and a pretend agent
//	flexbridge health    whether the service on this machine lives
//	flexbridge version   what this is
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v3"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal drains; from then on the next one ends the process at once.
	context.AfterFunc(ctx, stop)
	err := command().Run(ctx, os.Args)
	if code := exitCode(0); errors.As(err, &code) {
		os.Exit(int(code))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "flexbridge:", err)
		os.Exit(1)
	}
}

func command() *cli.Command {
	root := &cli.Command{
		Name:           "flexbridge",
		Usage:          "lets an AI assistant ask a person in Twilio Flex",
		DefaultCommand: "serve",
		Commands: []*cli.Command{
			{
				Name:   "serve",
				Usage:  "run the service, configured by the environment",
				Action: func(ctx context.Context, _ *cli.Command) error { return serve(ctx) },
			},
			setupCommand(),
			doctorCommand(),
			{
				Name:  "demo",
				Usage: "run the service with a pretend Twilio and a pretend agent; needs nothing",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "addr", Value: "127.0.0.1:5002", Usage: "loopback address to listen on"},
					&cli.BoolFlag{Name: "silent", Usage: "the agent says only what you say through POST /demo/agent"},
				},
				Action: func(ctx context.Context, c *cli.Command) error {
					return demo(ctx, c.String("addr"), c.Bool("silent"), os.Stdout)
				},
			},
			{
				Name:   "health",
				Usage:  "exit with 0 if the service on this machine, at LISTEN_ADDR, lives",
				Action: func(ctx context.Context, _ *cli.Command) error { return health(ctx) },
			},
			{
				Name:  "version",
				Usage: "print the version",
				Action: func(_ context.Context, c *cli.Command) error {
					_, err := fmt.Fprintln(c.Root().Writer, "flexbridge", version())
					return err
				},
			},
		},
	}
	for _, c := range root.Commands {
		c.Action = alone(c.Action)
	}
	return root
}

// alone refuses what no command takes: a mistyped command would start the service,
// and setup without the dashes of --dry-run would make its changes.
func alone(action cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		if c.Args().Present() {
			return fmt.Errorf("%q is neither a command nor an option: see flexbridge help", c.Args().First())
		}
		return action(ctx, c)
	}
}

// version is the module's, or the commit that this was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	if v == "" || v == "(devel)" {
		return "dev"
	}
	return v
}
