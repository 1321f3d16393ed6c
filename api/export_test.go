package api

import "github.com/labstack/echo/v4"

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

// Identify lets in whom Auth knows, as the operations do.
func (a *API) Identify() echo.MiddlewareFunc { return a.identify }
