package main

import (
	"net"
	"sync"
)

// sharing gives the connections of one listener to whoever accepts.
type sharing struct {
	net.Listener
	conns chan net.Conn
	ended chan struct{}
}

func share(l net.Listener) *sharing {
	s := &sharing{l, make(chan net.Conn), make(chan struct{})}
	go func() {
		defer close(s.ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns <- c
		}
	}()
	return s
}

// listen returns a listener whose Close leaves the others alone.
func (s *sharing) listen() net.Listener {
	return &sharer{sharing: s, closed: make(chan struct{})}
}

// close ends the listener, and connections that nobody accepted.
func (s *sharing) close() {
	_ = s.Listener.Close() // the error is that it was closed before
	for {
		select {
		case c := <-s.conns:
			_ = c.Close()
		case <-s.ended:
			return
		}
	}
}

type sharer struct {
	*sharing
	once   sync.Once
	closed chan struct{}
}

func (s *sharer) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.closed:
	case <-s.ended:
	}
	return nil, net.ErrClosed
}

func (s *sharer) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
