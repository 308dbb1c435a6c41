package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a guess costs, as OWASP has it for argon2id: 19 MiB and two rounds.
const (
	hashMemory = 19 << 10 // KiB
	hashRounds = 2
	hashLength = 32
)

// MinPassword is how long a password is at least.
const MinPassword = 10

// nobody is a hash that no password has.
var nobody = phc(hashMemory, hashRounds, make([]byte, 16), make([]byte, hashLength))

// hashing lets one password be hashed at a time: many at once would take memory
// and all of the machine's cores.
var hashing = make(chan struct{}, 1)

// hash is what is kept of a password, in PHC's form.
func hash(password string) (string, error) {
	if len(password) < MinPassword {
		return "", fmt.Errorf("the password is shorter than %d characters", MinPassword)
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // It never fails.
	return phc(hashMemory, hashRounds, salt, argon2.IDKey([]byte(password), salt, hashRounds, hashMemory, 1, hashLength)), nil
}

func phc(memory, rounds uint32, salt, sum []byte) string {
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, memory, rounds, e.EncodeToString(salt), e.EncodeToString(sum))
}

// matches says whether a hash is of a password.
func matches(ctx context.Context, kept, password string) (bool, error) {
	parts := strings.Split(kept, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("what is kept of the password is in no form that weir knows; set it anew")
	}
	var memory, rounds uint32
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=1", &memory, &rounds); err != nil || memory > 1<<20 || rounds == 0 || rounds > 100 {
		return false, errors.New("what is kept of the password is in no form that weir knows; set it anew")
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("read what is kept of the password: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, fmt.Errorf("read what is kept of the password: %w", err)
	}
	select {
	case hashing <- struct{}{}:
		defer func() { <-hashing }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	got := argon2.IDKey([]byte(password), salt, rounds, memory, 1, hashLength)
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
