package requirements

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// usual are the minor versions of Python 3 that machines have; libraries are
// built for the middle one first.
const (
	usualFrom, usualTo = 10, 13
	middle             = 12
	oldest, newest     = 6, 15
)

// clause is one condition on a version of Python.
var clause = regexp.MustCompile(`^(>=|<=|==|!=|~=|>|<|===)?\s*(\d+)(?:\.(\d+))?(?:\.(\d+|\*))?(\.\*)?$`)

// versionFor is the version of Python to take where one is required as
// ">=3.10,<3.13": whichever there is (empty) if any usual one will do, and else
// the one that will do and is nearest to what libraries are built for.
func versionFor(required string) (string, error) {
	allowed := map[int]bool{}
	for minor := oldest; minor <= newest; minor++ {
		allowed[minor] = true
	}
	for _, c := range strings.Split(required, ",") {
		c = strings.TrimSpace(c)
		if c == "" || c == "*" {
			continue
		}
		m := clause.FindStringSubmatch(c)
		if m == nil {
			return "", fmt.Errorf("version of Python %q: cannot read %q; write it as >=3.10", required, c)
		}
		for minor := range allowed {
			if !holds(m[1], m[2], m[3], m[4], minor) {
				delete(allowed, minor)
			}
		}
	}
	any := true
	for minor := usualFrom; minor <= usualTo; minor++ {
		any = any && allowed[minor]
	}
	if any {
		return "", nil
	}
	for away := 0; away <= newest; away++ {
		for _, minor := range []int{middle - away, middle + away} {
			if allowed[minor] {
				return "3." + strconv.Itoa(minor), nil
			}
		}
	}
	return "", fmt.Errorf("version of Python %q: there is none between 3.%d and 3.%d", required, oldest, newest)
}

// holds tells whether some release of Python 3 of a minor version fulfils a
// condition.
func holds(operator, major, minor, patch string, have int) bool {
	wantMajor, _ := strconv.Atoi(major) // They are digits.
	if wantMajor != 3 {
		newer := wantMajor < 3
		switch operator {
		case ">", ">=", "!=":
			return newer
		case "<", "<=":
			return !newer
		}
		return false
	}
	if minor == "" {
		return operator != "<" && operator != "!="
	}
	want, _ := strconv.Atoi(minor)
	switch operator {
	case ">=":
		return have >= want
	case ">":
		return have > want || have == want && patch != ""
	case "<=":
		return have <= want
	case "<":
		return have < want || have == want && patch != "" && patch != "0"
	case "!=":
		return have != want || patch != "" && patch != "*"
	case "~=":
		if patch == "" {
			return have >= want
		}
	}
	return have == want
}
