// Package deploy is what flexbridge is shipped with: the Studio flow that hands
// a conversation to Flex, for cmd to set up, beside the files of the image.
package deploy

import (
	_ "embed"
	"encoding/json"
	"strings"
)

// FlowName is the flow's friendly name, and FlowMark begins the description of
// those that we made: a flow of that name without it is somebody else's.
const (
	FlowName = "flexbridge"
	FlowMark = "Made by flexbridge setup."
)

//go:embed studio-flow.json
var studioFlow string

// StudioFlow is the definition of the flow, which sends a conversation to Flex
// with a workflow (WW…) and a task channel (TC…).
//
// When Flex takes no task, a Send Message widget says so in the conversation.
// It fires no webhook, but the message stands in Twilio's list, where the look
// before the end of a wait finds it; and as the flow has ended then, the next
// question starts it again. It needs neither a secret in the flow nor a way into
// our service, as an HTTP request would.
func StudioFlow(workflow, taskChannel string) map[string]any {
	text := strings.NewReplacer(`"WORKFLOW_SID"`, quoted(workflow), `"TASK_CHANNEL_SID"`, quoted(taskChannel)).Replace(studioFlow)
	var definition map[string]any
	if err := json.Unmarshal([]byte(text), &definition); err != nil {
		panic(err) // the embedded file
	}
	return definition
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // any text can be
	return string(b)
}
