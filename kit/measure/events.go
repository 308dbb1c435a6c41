package measure

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxRecord is more than a scalar takes. Larger records are graphs and images;
// they are passed over.
const maxRecord = 1 << 20

// An EventReader reads the scalars in a file that was written for TensorBoard,
// piece by piece, as the file grows. A record whose end has not come yet waits
// for it. The zero value is ready.
//
// The file is a row of records: the length in 8 bytes, its checksum in 4, the
// data, its checksum in 4, least byte first. The data is an Event.
type EventReader struct {
	unread []byte
	skip   uint64 // bytes still to come of a record that is passed over
	passed int64  // and those that have come
	offset int64
	broken error
}

// Offset is how many bytes of the file have been read to the end of a record:
// where another reader would go on.
func (r *EventReader) Offset() int64 { return r.offset }

// Next is where the bytes lie that Read takes next.
func (r *EventReader) Next() int64 { return r.offset + r.passed + int64(len(r.unread)) }

// From goes on at an offset that an earlier reader returned.
func (r *EventReader) From(offset int64) { *r = EventReader{offset: offset} }

// Read takes the bytes that follow, and returns the scalars in them. A file that
// is damaged gives what comes before the damage, and then the error for ever.
func (r *EventReader) Read(data []byte) ([]Sample, error) {
	if r.broken != nil {
		return nil, r.broken
	}
	r.unread = append(r.unread, data...)
	var all []Sample
	for {
		if gone := min(r.skip, uint64(len(r.unread))); gone > 0 {
			r.unread = r.unread[gone:]
			r.skip -= gone
			r.passed += int64(gone)
		}
		if r.skip == 0 {
			r.offset, r.passed = r.offset+r.passed, 0
		}
		if r.skip > 0 || len(r.unread) < 12 {
			return all, nil
		}
		size := binary.LittleEndian.Uint64(r.unread)
		if binary.LittleEndian.Uint32(r.unread[8:]) != masked(r.unread[:8]) || size > math.MaxInt64-16 {
			return all, r.fail("the length of the record is damaged")
		}
		if size > maxRecord {
			r.skip = size + 16
			continue
		}
		if uint64(len(r.unread)) < size+16 {
			return all, nil
		}
		record := r.unread[12 : 12+size]
		if binary.LittleEndian.Uint32(r.unread[12+size:]) != masked(record) {
			return all, r.fail("the record is damaged")
		}
		samples, err := scalarsOf(record)
		if err != nil {
			return all, r.fail("the record is no event")
		}
		all = append(all, samples...)
		r.offset += int64(size) + 16
		r.unread = r.unread[size+16:]
	}
}

func (r *EventReader) fail(why string) error {
	r.broken = fmt.Errorf("at byte %d: %s", r.offset, why)
	r.unread = nil
	return r.broken
}

// masked is the checksum of TensorFlow's records.
func masked(data []byte) uint32 {
	c := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return (c>>15 | c<<17) + 0xa282ead8
}

// A field is one of a protobuf message. Of number and bytes it has what its wire
// type has.
type field struct {
	number protowire.Number
	kind   protowire.Type
	value  uint64
	bytes  []byte
}

var errMessage = errors.New("no protobuf message")

// fields calls each for every field of a message.
func fields(message []byte, each func(field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errMessage
		}
		message = message[n:]
		f := field{number: number, kind: kind}
		switch kind {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(message)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(message)
			f.value = uint64(v)
		case protowire.Fixed64Type:
			f.value, n = protowire.ConsumeFixed64(message)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return errMessage
		}
		message = message[n:]
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// scalarsOf reads an Event: wall_time = 1, step = 2, summary = 5.
func scalarsOf(event []byte) ([]Sample, error) {
	var at Point
	var summary []byte
	err := fields(event, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.Fixed64Type:
			if seconds := math.Float64frombits(f.value); seconds > 0 && seconds < 1<<33 {
				at.Time = time.UnixMicro(int64(seconds * 1e6)).UTC()
			}
		case f.number == 2 && f.kind == protowire.VarintType:
			at.Step = int64(f.value)
		case f.number == 5 && f.kind == protowire.BytesType:
			summary = f.bytes
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []Sample
	err = fields(summary, func(f field) error {
		if f.number != 1 || f.kind != protowire.BytesType {
			return nil
		}
		tag, value, ok, err := scalarOf(f.bytes)
		if ok && tag != "" && len(tag) <= maxName*4 {
			s := Sample{Name: tag, Point: at}
			s.Value = value
			all = append(all, s)
		}
		return err
	})
	return all, err
}

// scalarOf reads a Summary.Value: tag = 1, simple_value = 2, tensor = 8. It is ok
// if it holds one number.
func scalarOf(message []byte) (tag string, value float64, ok bool, err error) {
	err = fields(message, func(f field) error {
		var err error
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			tag = string(bytes.ToValidUTF8(f.bytes, nil))
		case f.number == 2 && f.kind == protowire.Fixed32Type:
			value, ok = float64(math.Float32frombits(uint32(f.value))), true
		case f.number == 8 && f.kind == protowire.BytesType:
			value, ok, err = numberOf(f.bytes)
		}
		return err
	})
	return tag, value, ok, err
}

// Types of tensors.
const (
	dtFloat  = 1
	dtDouble = 2
	dtInt32  = 3
	dtInt64  = 9
)

// numberOf reads a TensorProto of one number: dtype = 1, tensor_content = 4,
// float_val = 5, double_val = 6, int_val = 7, int64_val = 10.
func numberOf(tensor []byte) (value float64, ok bool, err error) {
	var dtype uint64
	var content []byte
	count := 0
	number := func(v float64) { value, count = v, count+1 }
	err = fields(tensor, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.VarintType:
			dtype = f.value
		case f.number == 4:
			content = f.bytes
		case f.number == 5 && f.kind == protowire.Fixed32Type:
			number(float64(math.Float32frombits(uint32(f.value))))
		case f.number == 5 && len(f.bytes) == 4:
			number(float64(math.Float32frombits(binary.LittleEndian.Uint32(f.bytes))))
		case f.number == 6 && f.kind == protowire.Fixed64Type:
			number(math.Float64frombits(f.value))
		case f.number == 6 && len(f.bytes) == 8:
			number(math.Float64frombits(binary.LittleEndian.Uint64(f.bytes)))
		case (f.number == 7 || f.number == 10) && f.kind == protowire.VarintType:
			number(float64(int64(f.value)))
		case f.number == 7 || f.number == 10:
			if v, n := protowire.ConsumeVarint(f.bytes); n > 0 && n == len(f.bytes) {
				number(float64(int64(v)))
			} else {
				count = 2
			}
		case f.number == 5 || f.number == 6 || f.number == 8: // several, or words
			count = 2
		}
		return nil
	})
	switch {
	case err != nil || len(content) == 0:
	case dtype == dtFloat && len(content) == 4:
		number(float64(math.Float32frombits(binary.LittleEndian.Uint32(content))))
	case dtype == dtDouble && len(content) == 8:
		number(math.Float64frombits(binary.LittleEndian.Uint64(content)))
	case dtype == dtInt32 && len(content) == 4:
		number(float64(int32(binary.LittleEndian.Uint32(content))))
	case dtype == dtInt64 && len(content) == 8:
		number(float64(int64(binary.LittleEndian.Uint64(content))))
	default:
		count = 2
	}
	return value, count == 1, err
}
