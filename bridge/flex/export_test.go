package flex

import "net/url"

// Target is where a request really goes.
func (d *Desk) Target(u *url.URL) (*url.URL, error) { return d.target(u) }
