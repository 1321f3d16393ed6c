// Everything serves, through all that stands before flexbridge's own tools, those
// that the conformance suite asks for. They are the SDK's conformance server, whose
// main file an overlay puts beside this one; another makes package api's
// export_test.go a part of it. See TestConformanceOfTheDoor.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbridge/api"
	"flexbridge/bridge"
)

func main() {
	server := mcp.NewServer(&mcp.Implementation{Name: "everything", Version: "1"}, &mcp.ServerOptions{
		CompletionHandler:  completionHandler,
		SubscribeHandler:   subscribeHandler,
		UnsubscribeHandler: unsubscribeHandler,
	})
	registerTools(server)
	registerResources(server)
	registerPrompts(server)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	keys, err := bridge.NewKeyring([]byte(strings.Repeat("s", 32)))
	if err != nil {
		log.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	door, err := api.New(api.Config{PublicURL: url, Keys: keys, Auth: api.NoAuth()}, nil)
	if err != nil {
		log.Fatal(err)
	}
	door.ServeMCP(server, 20*time.Millisecond)
	e := echo.New()
	door.Register(e)
	fmt.Println(url + "/mcp")
	log.Fatal(http.Serve(listener, e))
}
