package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"

	"flexbridge/bridge"
)

// Files is where the files of messages lie; *flex.Desk is one.
type Files interface {
	// File describes a file by its SID, and does not fetch it. ErrGone when there is
	// none, or none any more.
	File(ctx context.Context, sid string) (bridge.File, error)
}

const (
	mediaPath = "/media/"

	outcomeFile = "file"     // whole
	outcomeCut  = "file_cut" // the desk failed in the middle
)

// What is wrong with a link to a file, or with the file.
var (
	errLink        = errors.New("not a link of this service")
	errLinkExpired = errors.New("the link has expired")
	errFileGone    = errors.New("the file is gone")
	errFileRefused = errors.New("the file is too large, or of a type that is not passed on")
)

// maxFile is the size of the largest file that is passed on, in bytes, which is
// that of the largest that Twilio takes ("Conversations Limits").
const maxFile = 150 << 20

// fileTypes are the media types that are passed on, with the extension of a file
// that has no name: pictures, sound, films and documents that run nothing. HTML and
// SVG can hold scripts and are not among them.
var fileTypes = map[string]string{
	"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp", "image/avif": ".avif",
	"image/bmp": ".bmp", "image/tiff": ".tiff", "image/heic": ".heic", "image/heif": ".heif",
	"audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/ogg": ".ogg", "audio/wav": ".wav",
	"audio/x-wav": ".wav", "audio/webm": ".weba", "audio/flac": ".flac", "audio/amr": ".amr", "audio/3gpp": ".3gp",
	"video/mp4": ".mp4", "video/mpeg": ".mpeg", "video/webm": ".webm", "video/ogg": ".ogv", "video/quicktime": ".mov",
	"video/3gpp": ".3gp",
	"text/plain": ".txt", "text/csv": ".csv", "application/pdf": ".pdf", "application/rtf": ".rtf", "text/rtf": ".rtf",
	"application/msword": ".doc", "application/vnd.ms-excel": ".xls", "application/vnd.ms-powerpoint": ".ppt",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   ".docx",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         ".xlsx",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
	"application/vnd.oasis.opendocument.text":                                   ".odt",
	"application/vnd.oasis.opendocument.spreadsheet":                            ".ods",
	"application/vnd.oasis.opendocument.presentation":                           ".odp",
}

// fileType is the media type without its parameters; empty if it is not passed on.
func fileType(text string) string {
	plain, _, _ := mime.ParseMediaType(text)
	if fileTypes[plain] == "" {
		return ""
	}
	return plain
}

// link is where a file can be fetched for a while; empty if it is not passed on.
// What is not told of it, opening the link will show.
func (a *API) link(m bridge.Media) string {
	if !a.links() || m.Size > maxFile || m.Type != "" && fileType(m.Type) == "" {
		return ""
	}
	token, ok := a.cfg.Keys.FileToken(m.SID, time.Now().Add(a.cfg.LinkLife))
	if !ok {
		return ""
	}
	return a.cfg.PublicURL + mediaPath + token
}

func (a *API) links() bool { return a.cfg.Files != nil && a.cfg.LinkLife > 0 }

// file passes on the file of a link, which is the capability to have it. The file
// is nowhere in between: it comes from the desk as fast as it is read here.
func (a *API) file(c echo.Context) error {
	sid, expires, ok := a.cfg.Keys.ReadFileToken(c.Param("token"))
	switch {
	case !ok:
		return errLink
	case !time.Now().Before(expires):
		return errLinkExpired
	}
	leave, err := a.downloads.take(sid)
	if err != nil {
		return err
	}
	defer leave()
	d := a.downloads.begin(c)
	defer d.end()
	err = a.fetch(d, sid)
	switch {
	case err == nil:
		noted(c).outcome = outcomeFile
	case d.unread || callerLeft(c.Request().Context()):
		noted(c).outcome = outcomeLeft
		return c.Request().Context().Err()
	case errors.Is(err, bridge.ErrGone):
		return fmt.Errorf("%w: %v", errFileGone, err)
	case c.Response().Committed:
		// Its length was told, so the server closes the connection and the reader sees
		// that it is not whole.
		noted(c).outcome = outcomeCut
		a.log.Warn("a file was cut off", "file", sid, "sent", c.Response().Size, "err", err)
	default:
		return err
	}
	return nil
}

// fetch answers with the file; to HEAD with all but its content.
func (a *API) fetch(d *download, sid string) error {
	file, err := a.cfg.Files.File(d.ctx, sid)
	if err != nil {
		return err
	}
	if file.Size > maxFile || fileType(file.Type) == "" {
		return fmt.Errorf("%w: %d bytes of %q", errFileRefused, file.Size, file.Type)
	}
	if d.echo.Request().Method == http.MethodHead {
		describe(d.echo.Response().Header(), file.Media)
		return d.echo.NoContent(http.StatusOK)
	}
	content, err := file.Open(d.ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	describe(d.echo.Response().Header(), file.Media)
	d.echo.Response().WriteHeader(http.StatusOK)
	if _, err = io.CopyN(d, content, file.Size); errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// describe writes the header of a file so that no browser shows or runs it here.
func describe(h http.Header, m bridge.Media) {
	h.Set(echo.HeaderContentType, fileType(m.Type))
	h.Set(echo.HeaderContentLength, strconv.FormatInt(m.Size, 10))
	// By RFC 6266, and RFC 8187 for what is not ASCII.
	h.Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": savedName(m)}))
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderContentSecurityPolicy, "sandbox; default-src 'none'")
	h.Set(echo.HeaderCacheControl, "private, no-store")
	h.Set("Accept-Ranges", "none")
}

// maxSavedName is the length of the longest name a file is saved under, in
// characters: in UTF-8 it fits the 255 bytes of most file systems.
const maxSavedName = 60

// savedName is a name to save a file under: the last part of a path, without what
// is not seen, which could hide the extension, and without dots in front.
func savedName(m bridge.Media) string {
	name := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(m.Name, ""))
	name = path.Base("/" + strings.ReplaceAll(name, `\`, "/"))
	name = strings.TrimSpace(strings.TrimLeft(name, "/. "))
	if long := []rune(name); len(long) > maxSavedName {
		extension := []rune(path.Ext(name))
		if len(extension) > maxSavedName/2 {
			extension = nil
		}
		name = string(long[:maxSavedName-len(extension)]) + string(extension)
	}
	return cmp.Or(name, "file"+fileTypes[fileType(m.Type)])
}
