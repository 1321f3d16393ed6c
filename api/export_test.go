package api

import "net/http"

// The limits, for the test that holds the OpenAPI document to them.
const (
	MinUsername = minUsername
	MaxUsername = maxUsername
	MinDistinct = minDistinct
	MaxText     = maxText
	MaxKey      = maxKey
	MaxWait     = maxWait
	MaxRequest  = maxRequest
)

// AuthBy is an Auth that takes callers at a test's word.
type AuthBy func(*http.Request) (application string, person []string)

func (by AuthBy) identify(r *http.Request) (who caller, err error) {
	who.application, who.person = by(r)
	return who, nil
}
