// Package flexsim is a pretend Twilio: the part of Conversations (classic, v1),
// Studio, TaskRouter and Flex that a desk in Flex needs, and what sets it up, in
// one process and without Twilio.
//
// A [Sim] serves the REST API as an http.Handler, sends signed webhooks over
// real HTTP, raises a task when a Studio flow or an Interaction sends a
// conversation to Flex, and lends out agents to play. It is strict where Twilio is lenient, so that a
// misspelt parameter is found: parameters that it does not play are refused. It
// can be made to fail in every way that a distant service fails, and nothing in
// it is random. What Twilio sends and answers follows these pages of
// twilio.com/docs:
//
//   - conversations/api: the resources, their limits and their errors (with api/errors/<code>);
//   - conversations/api/media-resource: the files of messages;
//   - conversations/conversations-webhooks: which webhooks are sent, and what is in them;
//   - usage/webhooks/webhooks-security: how they are signed;
//   - studio/rest-api/v2, studio/flow-definition: flows, and what is wrong with one;
//   - taskrouter/api: workspaces, workflows and task channels, tasks and how they are found;
//   - flex/developer/conversations: how a conversation reaches an agent.
//
// What these leave open is played in the way that is harder for the caller, or
// can be chosen in [Config].
package flexsim
