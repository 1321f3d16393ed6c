package api

import "time"

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

const MaxFile = maxFile

// SetPatience sets how long a file may take to begin, from piece to piece and in
// all, and how many may be under way.
func (a *API) SetPatience(open, stall, whole time.Duration, places int) {
	a.downloads = downloads{places: make(chan struct{}, places), open: open, stall: stall, whole: whole}
}
