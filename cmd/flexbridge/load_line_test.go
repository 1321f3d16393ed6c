package main

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
)

// line is an HTTP/1.1 connection, with as little of a client around it as can be.
type line struct {
	net.Conn
	buf []byte
}

// portsEach is how many connections to one address are made from one of our own:
// it has some 28 000 ports. 127.0.0.1 is left to those who listen.
const portsEach = 20_000

// dialLine opens the i-th connection to an address.
func dialLine(addr string, i int) (*line, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/portsEach))}}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	// Closed, it leaves no port behind in TIME_WAIT.
	return &line{Conn: conn, buf: make([]byte, 2<<10)}, conn.(*net.TCPConn).SetLinger(0)
}

// answer reads one whole answer with success. It is the caller's until the next.
func (l *line) answer() ([]byte, error) {
	for n := 0; ; {
		if n == len(l.buf) {
			l.buf = append(l.buf, make([]byte, n)...)
		}
		m, err := l.Read(l.buf[n:])
		n += m
		if head, body, ok := bytes.Cut(l.buf[:n], []byte("\r\n\r\n")); ok {
			length, err := strconv.Atoi(headerOf(head, "Content-Length"))
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 2")) || err != nil && !bytes.HasPrefix(head, []byte("HTTP/1.1 204")) {
				return nil, fmt.Errorf("the answer is %q", l.buf[:n])
			}
			if len(body) >= length {
				return l.buf[:n], nil
			}
		}
		if err != nil {
			return nil, fmt.Errorf("after %d bytes of an answer: %w", n, err)
		}
	}
}

// headerOf is a header's value; empty if there is none.
func headerOf(head []byte, name string) string {
	_, rest, _ := bytes.Cut(head, []byte("\r\n"+name+": "))
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(value)
}
