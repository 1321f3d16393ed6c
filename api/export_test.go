package api

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
