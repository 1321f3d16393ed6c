package flexsim

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// What the URLs in answers begin with, wherever the Sim listens.
const (
	apiURL  = "https://conversations.twilio.com"
	flexURL = "https://flex-api.twilio.com"
)

// paging are the parameters of every list.
const paging = "PageSize Page PageToken"

// listing answers a page of a list under its key ("Twilio's response: paging",
// twilio.com/docs/usage/twilios-response). A page goes on where the one before
// ended by count, so that what is added at the front comes twice.
func listing[T any](r *request, key string, usual, limit int, items []T, shape func(T) any) (any, *problem) {
	size := usual
	if text := r.params.Get("PageSize"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, invalid("PageSize")
		}
		if n > limit {
			return nil, problemPageSizeTooHigh
		}
		size = n
	}
	from, number := 0, 0
	if token := r.params.Get("PageToken"); token != "" {
		digits, ok := strings.CutPrefix(token, tokenPrefix)
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 0 {
			return nil, invalid("PageToken")
		}
		from, number = min(n, len(items)), n/size
	}
	to := min(from+size, len(items))
	shown := make([]any, 0, to-from)
	for _, item := range items[from:to] {
		shown = append(shown, shape(item))
	}
	at := func(from, number int) string { return pageURL(r, size, from, number) }
	meta := map[string]any{
		"key": key, "page": number, "page_size": size,
		"url": at(from, number), "first_page_url": at(0, 0),
		"next_page_url": nil, "previous_page_url": nil,
	}
	if to < len(items) {
		meta["next_page_url"] = at(to, number+1)
	}
	if from > 0 {
		meta["previous_page_url"] = at(max(0, from-size), max(0, number-1))
	}
	return map[string]any{key: shown, "meta": meta}, nil
}

// tokenPrefix ends in a dot: a client that cuts ".<digits>" out of its queries
// loses its place.
const tokenPrefix = "PT0."

func pageURL(r *request, size, from, number int) string {
	query := url.Values{}
	for name, values := range r.params {
		query[name] = values
	}
	query.Set("PageSize", strconv.Itoa(size))
	query.Set("Page", strconv.Itoa(number))
	query.Del("PageToken")
	if from > 0 {
		query.Set("PageToken", fmt.Sprint(tokenPrefix, from))
	}
	return hostOf(r.URL.Path) + r.URL.EscapedPath() + "?" + query.Encode()
}
