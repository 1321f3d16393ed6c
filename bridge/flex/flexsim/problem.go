package flexsim

import (
	"fmt"
	"net/http"
)

// problem is an error of Twilio's, as its REST API writes it.
type problem struct {
	Code     int    `json:"code"`
	Message  string `json:"message"`
	MoreInfo string `json:"more_info"`
	Status   int    `json:"status"`

	Details map[string]any `json:"details,omitempty"`
}

func (p *problem) Error() string { return fmt.Sprintf("%d: %s", p.Code, p.Message) }

func newProblem(status, code int, message string) *problem {
	return &problem{
		Code: code, Message: message, Status: status,
		MoreInfo: fmt.Sprintf("https://www.twilio.com/docs/errors/%d", code),
	}
}

// What a code means is told at twilio.com/docs/api/errors/<code>; which HTTP
// status it comes with is mostly not.
var (
	problemCredentials       = newProblem(http.StatusUnauthorized, 20003, "Authenticate")
	problemNotFound          = newProblem(http.StatusNotFound, 20404, "The requested resource was not found")
	problemTooMany           = newProblem(http.StatusTooManyRequests, 20429, "Too Many Requests")
	problemAttributes        = newProblem(http.StatusBadRequest, 50303, "Attributes too long")
	problemNoConversation    = newProblem(http.StatusNotFound, 50350, "Conversation not found")
	problemTaken             = newProblem(http.StatusConflict, 50353, "Conversation with provided unique name already exists")
	problemTooManyHooks      = newProblem(http.StatusBadRequest, 50361, "Conversation webhook limit exceeded")
	problemNoHook            = newProblem(http.StatusNotFound, 50363, "Invalid conversation webhook SID")
	problemHookURL           = newProblem(http.StatusBadRequest, 50372, "Conversation webhook URL is too long")
	problemClosed            = newProblem(http.StatusBadRequest, 50377, "Conversation is closed and cannot be changed")
	problemTimerWithoutState = newProblem(http.StatusBadRequest, 50382, "Conversation state is required when timers are set")
	problemNameLikeSID       = newProblem(http.StatusBadRequest, 50390, "Unique name must not look like a SID")
	problemNoParticipant     = newProblem(http.StatusNotFound, 50432, "Participant not found")
	problemIsIn              = newProblem(http.StatusConflict, 50433, "Participant already exists")
	problemBodyEmpty         = newProblem(http.StatusBadRequest, 50503, "Message body is empty")
	problemBodyTooLong       = newProblem(http.StatusBadRequest, 50504, "Message body is too long")
	problemPageSizeTooHigh   = newProblem(http.StatusBadRequest, 20007, "Page size too large")
)

// invalid is how every parameter is refused that has no code of its own.
func invalid(message string) *problem {
	return newProblem(http.StatusBadRequest, 20001, "Invalid parameter: "+message)
}
