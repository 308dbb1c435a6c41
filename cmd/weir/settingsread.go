package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	yamlv3 "go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/weir-ml/weir/platform/gateway"
)

// decodeSettings reads what a file says into s. What is wrong is told by its line.
func decodeSettings(file string, data []byte, s *settings) (*lines, error) {
	l := &lines{file: file, of: map[string]int{}}
	var document yamlv3.Node
	if err := yamlv3.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(document.Content) == 0 {
		return l, nil
	}
	if err := l.check(document.Content[0], reflect.TypeOf(*s), ""); err != nil {
		return nil, err
	}
	if err := yaml.UnmarshalStrict(data, s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return l, nil
}

// lines know where each field stands.
type lines struct {
	file string
	of   map[string]int
}

// at names a field by the line that it, or else what it belongs to, stands in.
func (l *lines) at(field string) string {
	for f := field; f != ""; f = f[:max(strings.LastIndexAny(f, ".["), 0)] {
		if n := l.of[f]; n > 0 {
			return fmt.Sprintf("%s:%d: %s", l.file, n, field)
		}
	}
	return l.file + ": " + field
}

// check holds what a file says against the type that it is read into.
func (l *lines) check(n *yamlv3.Node, t reflect.Type, field string) error {
	for n.Kind == yamlv3.AliasNode {
		n = n.Alias
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Tag == "!!null" {
		return nil
	}
	if _, own := reflect.New(t).Interface().(json.Unmarshaler); own {
		return l.leaf(n, t, field)
	}
	switch t.Kind() {
	case reflect.Struct:
		return l.object(n, t, field)
	case reflect.Map:
		return l.each(n, field, func(string) (reflect.Type, error) { return t.Elem(), nil })
	case reflect.Slice:
		if n.Kind != yamlv3.SequenceNode {
			return fmt.Errorf("%s: it is no list: say [a, b], or one in each line after a hyphen", l.at(field))
		}
		for i, item := range n.Content {
			at := fmt.Sprintf("%s[%d]", field, i)
			l.of[at] = item.Line
			if err := l.check(item, t.Elem(), at); err != nil {
				return err
			}
		}
		return nil
	}
	return l.leaf(n, t, field)
}

func (l *lines) object(n *yamlv3.Node, t reflect.Type, field string) error {
	fields := fieldsOf(t)
	return l.each(n, field, func(key string) (reflect.Type, error) {
		if f, ok := fields[key]; ok {
			return f.Type, nil
		}
		return nil, fmt.Errorf("there is no such field; there are %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
	})
}

// each checks all fields of a mapping.
func (l *lines) each(n *yamlv3.Node, field string, typeOf func(string) (reflect.Type, error)) error {
	if n.Kind != yamlv3.MappingNode {
		return fmt.Errorf("%s: it has no fields: say each in a line below it, with spaces before", l.at(cmp.Or(field, "settings")))
	}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		at := strings.TrimPrefix(field+"."+key.Value, ".")
		if l.of[at] > 0 {
			return fmt.Errorf("%s:%d: %s: it stands in line %d already", l.file, key.Line, at, l.of[at])
		}
		l.of[at] = key.Line
		t, err := typeOf(key.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", l.at(at), err)
		}
		if err := l.check(n.Content[i+1], t, at); err != nil {
			return err
		}
	}
	return nil
}

func (l *lines) leaf(n *yamlv3.Node, t reflect.Type, field string) error {
	text, err := yamlv3.Marshal(n)
	if err != nil {
		return fmt.Errorf("%s: %w", l.at(field), err)
	}
	if err := yaml.Unmarshal(text, reflect.New(t).Interface()); err != nil {
		return fmt.Errorf("%s: %q is not %s", l.at(field), cmp.Or(n.Value, strings.TrimSpace(string(text))), likeA(t))
	}
	return nil
}

// likeA says what a value of a type is like.
func likeA(t reflect.Type) string {
	if t == reflect.TypeFor[metav1.Duration]() {
		return "a length of time: say 15s, 12h or 168h"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.String:
		return `a text: put it in quotes, as "5"`
	}
	return "a " + t.String()
}

// fieldsOf are a struct's fields by the names that the file has for them.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			all[name] = f
		}
	}
	return all
}

// fromVariables are the parts of the settings that variables may say as well:
// WEIR_SIGN_IN_SESSION is signIn.session. A variable wins over the file.
var fromVariables = []string{"frontDoor", "signIn", "registries", "logs"}

// readVariables puts into s what variables say, and returns which field is of
// which.
func readVariables(s *settings, environment []string) (map[string]string, error) {
	said := map[string]string{}
	for _, v := range environment {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, "WEIR_") {
			said[name] = value
		}
	}
	used := map[string]string{}
	known := map[string]bool{}
	fields := fieldsOf(reflect.TypeOf(*s))
	for _, part := range fromVariables {
		name := "WEIR_" + upper(part)
		v := reflect.ValueOf(s).Elem().FieldByIndex(fields[part].Index)
		if _, err := setFields(v, part, name, said, used, known); err != nil {
			return nil, err
		}
		for n := range said {
			if strings.HasPrefix(n, name+"_") && !known[n] {
				return nil, fmt.Errorf("variable %s: it sets nothing; there are %s", n, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
		}
	}
	return used, nil
}

// setFields sets what of v, and below it, variables say, and tells whether any did.
func setFields(v reflect.Value, field, name string, said, used map[string]string, known map[string]bool) (bool, error) {
	if v.Kind() == reflect.Pointer {
		made := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			made.Elem().Set(v.Elem())
		}
		any, err := setFields(made.Elem(), field, name, said, used, known)
		if any {
			v.Set(made)
		}
		return any, err
	}
	if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[metav1.Duration]() {
		any := false
		for key, f := range fieldsOf(v.Type()) {
			set, err := setFields(v.FieldByIndex(f.Index), field+"."+key, name+"_"+upper(key), said, used, known)
			if err != nil {
				return false, err
			}
			any = any || set
		}
		return any, nil
	}
	value, set := said[name]
	list := v.Type() == reflect.TypeFor[[]string]()
	if v.Kind() == reflect.Slice && !list {
		return false, nil // A list of more than words has no place in a variable.
	}
	known[name] = true
	if !set {
		return false, nil
	}
	used[field] = name
	switch {
	case list:
		v.Set(reflect.ValueOf(strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })))
		return true, nil
	case v.Kind() == reflect.String, v.Type() == reflect.TypeFor[metav1.Duration]():
		value = strconv.Quote(value)
	}
	if err := json.Unmarshal([]byte(value), v.Addr().Interface()); err != nil {
		return false, fmt.Errorf("variable %s: %q is not %s", name, said[name], likeA(v.Type()))
	}
	return true, nil
}

// upper is how variables write a field's name.
func upper(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(rune(name[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// placed says where a field stands that is wrong: in the file or in a variable.
func placed(err error, l *lines, variables map[string]string) error {
	var wrong *gateway.FieldError
	if !errors.As(err, &wrong) {
		return err
	}
	if v := variables[wrong.Field]; v != "" {
		return fmt.Errorf("variable %s: %w", v, wrong.Err)
	}
	return fmt.Errorf("%s: %w", l.at(wrong.Field), wrong.Err)
}
