package storetest

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// Cluster is three masters, each with a third of the slots, and perhaps a replica
// of each. A dead one is seen after a second.
type Cluster struct{ *Fleet }

// StartCluster starts it, as [StartRedis] does one server, with so many replicas
// of each master.
func StartCluster(t testing.TB, replicas int) *Cluster {
	t.Helper()
	const masters, slots = 3, 16384
	c := &Cluster{Fleet: &Fleet{}}
	var buses []string
	for i := range masters * (1 + replicas) {
		_, bus, _ := net.SplitHostPort(freeAddr(t))
		s := StartRedis(t, append(slices.Clone(peer), "--cluster-enabled", "yes", "--cluster-port", bus,
			"--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0")...)
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		c.Servers, buses = append(c.Servers, s), append(buses, bus)
	}
	for i, s := range c.Servers {
		for j, other := range c.Servers[:i] {
			host, port := other.hostPort()
			s.Do("CLUSTER", "MEET", host, port, buses[j])
		}
		if i < masters {
			s.Do("CLUSTER", "ADDSLOTSRANGE", i*slots/masters, (i+1)*slots/masters-1)
		}
	}
	c.URL = "redis://" + c.Servers[0].Addr + "," + c.Servers[1].Addr + "," + c.Servers[2].Addr
	c.ready = func() bool {
		return !slices.ContainsFunc(c.Servers, func(s *Server) bool {
			info, _ := s.Do("CLUSTER", "INFO").(string)
			return !strings.Contains(info, "cluster_state:ok") || !s.IsMaster() && !s.synced()
		})
	}
	eventually(t, "every node knows the cluster", c.ready)
	for i, s := range c.Servers[masters:] {
		s.Do("CLUSTER", "REPLICATE", c.Servers[i%masters].id())
	}
	eventually(t, "the replicas have what their masters have", c.ready)
	return c
}

// id is the node's name in the cluster.
func (s *Server) id() string {
	id, _ := s.Do("CLUSTER", "MYID").(string)
	return id
}

// Of returns the master that has a key's slot, and one that has another, as the
// first server that runs knows it.
func (c *Cluster) Of(key string) (owner, other *Server) {
	t := c.Servers[0].t
	t.Helper()
	asked := c.Servers[slices.IndexFunc(c.Servers, (*Server).answers)]
	slot, _ := asked.Do("CLUSTER", "KEYSLOT", key).(int64)
	ranges, _ := asked.Do("CLUSTER", "SLOTS").([]any)
	for _, r := range ranges {
		r := r.([]any)
		master := r[2].([]any)[2]
		s := c.Servers[slices.IndexFunc(c.Servers, func(s *Server) bool { return s.answers() && s.id() == master })]
		if r[0].(int64) <= slot && slot <= r[1].(int64) {
			owner = s
		} else {
			other = s
		}
	}
	if owner == nil || other == nil {
		t.Fatalf("no master for slot %d among %v", slot, ranges)
	}
	return owner, other
}

// ReplicaOf returns a replica of the master.
func (c *Cluster) ReplicaOf(master *Server) *Server {
	c.Servers[0].t.Helper()
	_, port := master.hostPort()
	for _, s := range c.Servers {
		if role, _ := s.Do("ROLE").([]any); role[0] == "slave" && fmt.Sprint(role[2]) == port {
			return s
		}
	}
	master.t.Fatalf("%s has no replica", master.Addr)
	return nil
}

// CutOff parts a master from the others, one of which gets its slots. It does not
// know of that, and still answers.
func (c *Cluster) CutOff(node *Server) {
	c.Servers[0].t.Helper()
	slots, _ := node.Do("CLUSTER", "SLOTS").([]any)
	var heir *Server
	for _, s := range c.Servers {
		if s != node {
			heir = s
			s.Do("CLUSTER", "FORGET", node.id())
			node.Do("CLUSTER", "FORGET", s.id())
		}
	}
	mine := slots[slices.IndexFunc(slots, func(r any) bool { return r.([]any)[2].([]any)[2] == node.id() })].([]any)
	heir.Do("CLUSTER", "ADDSLOTSRANGE", mine[0], mine[1])
}

// Move is a slot on its way from one master to another.
type Move struct {
	slot     any
	from, to *Server
}

// Move begins to move a key's slot to another master: keys that are not there any
// more are asked for at the other.
func (c *Cluster) Move(key string) *Move {
	c.Servers[0].t.Helper()
	m := &Move{}
	m.from, m.to = c.Of(key)
	m.slot = m.from.Do("CLUSTER", "KEYSLOT", key)
	m.to.Do("CLUSTER", "SETSLOT", m.slot, "IMPORTING", m.from.id())
	m.from.Do("CLUSTER", "SETSLOT", m.slot, "MIGRATING", m.to.id())
	return m
}

// Keys moves the keys.
func (m *Move) Keys() {
	m.from.t.Helper()
	keys, _ := m.from.Do("CLUSTER", "GETKEYSINSLOT", m.slot, 1000).([]any)
	if len(keys) == 0 {
		m.from.t.Fatalf("slot %v is empty", m.slot)
	}
	host, port := m.to.hostPort()
	m.from.Do(append([]any{"MIGRATE", host, port, "", 0, 5000, "KEYS"}, keys...)...)
}

// End makes the other master the slot's.
func (m *Move) End() {
	m.from.t.Helper()
	for _, s := range []*Server{m.to, m.from} {
		s.Do("CLUSTER", "SETSLOT", m.slot, "NODE", m.to.id())
	}
}
