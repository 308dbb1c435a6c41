package main

import "testing"

// The disk is said to be as large as it is, and what weir has of it by its parts.
func TestSpace(t *testing.T) {
	s := &space{dir: t.TempDir()}
	a, err := s.count(t.Context())
	if err != nil || a.Size == 0 || a.Free == 0 || a.Free >= a.Size || len(a.Parts) != 4 {
		t.Errorf("%+v, %v", a, err)
	}
}
