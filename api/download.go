package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// downloads bounds what files cost this process.
type downloads struct {
	places chan struct{} // one for each that may be under way

	open  time.Duration // until the first byte; ChatGPT waits 10 s for a file
	stall time.Duration // in which something must be read and written
	whole time.Duration
}

func newDownloads() downloads {
	return downloads{
		places: make(chan struct{}, 64),
		open:   8 * time.Second, stall: 30 * time.Second, whole: 15 * time.Minute,
	}
}

// download is one file on its way to a reader.
type download struct {
	echo    echo.Context
	ctx     context.Context // of all that is asked of the desk
	server  *http.ResponseController
	stall   time.Duration
	stalled *time.Timer
	unread  bool // the reader left, or was too slow
	end     func()
}

// begin starts the clocks. A reader who leaves ends the download; a process that
// stops finishes it.
func (l downloads) begin(c echo.Context) *download {
	request := c.Request().Context()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request), l.whole)
	left := context.AfterFunc(request, func() {
		if callerLeft(request) {
			cancel()
		}
	})
	d := &download{
		echo: c, ctx: ctx, server: http.NewResponseController(c.Response().Writer),
		stall: l.stall, stalled: time.AfterFunc(l.open, cancel),
	}
	d.end = func() {
		d.stalled.Stop()
		left()
		cancel()
	}
	// A ResponseWriter without deadlines has no limit to move.
	_ = d.server.SetWriteDeadline(time.Now().Add(l.open + l.stall))
	return d
}

// Write passes a piece on, and gives the next one its time.
func (d *download) Write(piece []byte) (int, error) {
	d.stalled.Reset(d.stall)
	_ = d.server.SetWriteDeadline(time.Now().Add(d.stall))
	n, err := d.echo.Response().Write(piece)
	d.unread = err != nil
	return n, err
}
