package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// downloads bounds what files cost this process.
type downloads struct {
	places  chan struct{} // one for each that may be under way
	perFile int           // how many of them one file may have, however many links it has
	ofFiles *places

	open  time.Duration // until the first byte; ChatGPT waits 10 s for a file
	stall time.Duration // in which something must be read and written
	whole time.Duration
}

func newDownloads() downloads {
	return downloads{
		places: make(chan struct{}, 64), perFile: 4, ofFiles: new(places),
		open: 8 * time.Second, stall: 30 * time.Second, whole: 15 * time.Minute,
	}
}

// take takes a place for a file; leave gives it back, and is called once. Who has
// a file's link, and reads slowly, leaves room for other files.
func (l downloads) take(sid string) (leave func(), err error) {
	leaveFile, ok := l.ofFiles.take(sid, l.perFile)
	if !ok {
		return nil, fmt.Errorf("%w: the file is being fetched %d times", bridge.ErrBusy, l.perFile)
	}
	select {
	case l.places <- struct{}{}:
		return func() { <-l.places; leaveFile() }, nil
	default:
		leaveFile()
		return nil, fmt.Errorf("%w: %d files are being fetched", bridge.ErrBusy, cap(l.places))
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
