package flex

import "net/url"

// Target is where a desk sends a request for the address.
func (d *Desk) Target(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	target, err := d.target(u)
	if err != nil {
		return "", err
	}
	return target.String(), nil
}
