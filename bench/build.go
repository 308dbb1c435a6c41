package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	builds    = 5
	codeFiles = 5000
	codeSize  = 10 << 10 // of each file
)

// ofBuild measures an image from 50 MB of code on a base that is there, beside
// buildah of the same.
func (b *bench) ofBuild(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.scratch, "build-")
	if err != nil {
		return err
	}
	code := filepath.Join(dir, "code")
	random := rand.New(rand.NewPCG(1, 2))
	for n := range codeFiles {
		if err := writeCode(random, filepath.Join(code, fmt.Sprintf("part%d", n/100), fmt.Sprintf("%d.py", n))); err != nil {
			return err
		}
	}
	base := filepath.Join(dir, "base")
	if err := writeCode(random, filepath.Join(base, "base.py")); err != nil {
		return err
	}
	w := weir{binary: b.binary, dir: filepath.Join(dir, "weir")}
	if err := w.do(ctx, "image", "build", base, "--base", "scratch", "--tag", "base:v1"); err != nil {
		return err
	}
	build := []string{b.binary, "--dir", w.dir, "image", "build", code, "--base", "base:v1", "--tag", "code:v1"}
	took, err := b.times(ctx, builds, build...)
	if err != nil {
		return err
	}
	peer, err := b.buildah(ctx, &w, dir, code)
	if err != nil {
		return err
	}
	b.report.row("`weir image build` of 50 MB of code in 5,000 files", "%s, at best %s (median of %d); %s", short(took.median()), short(took.quantile(0)), builds, peer)
	return nil
}

// writeCode writes a file that packs about as well as code does.
func writeCode(random *rand.Rand, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	data := make([]byte, codeSize/2)
	for n := range data {
		data[n] = byte(random.Uint32())
	}
	return os.WriteFile(file, []byte(hex.EncodeToString(data)), 0o644)
}

// buildah says how long buildah needs for the same.
func (b *bench) buildah(ctx context.Context, w *weir, dir, code string) (string, error) {
	program, err := exec.LookPath("buildah")
	if err != nil {
		return "there is no buildah to compare with", nil //nolint:nilerr // It is a peer, and no more.
	}
	archive, file := filepath.Join(dir, "base.tar"), filepath.Join(dir, "Dockerfile")
	if err := w.do(ctx, "image", "save", "base:v1", "--output", archive); err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte("FROM localhost/base:v1\nCOPY . /app\nWORKDIR /app\n"), 0o644); err != nil {
		return "", err
	}
	buildah := []string{program, "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "runroot")}
	pull := exec.CommandContext(ctx, program, append(buildah[1:], "pull", "oci-archive:"+archive)...)
	id, err := pull.Output()
	if err != nil {
		return "buildah does not work here", nil //nolint:nilerr // It is a peer, and no more.
	}
	tag := exec.CommandContext(ctx, program, append(buildah[1:], "tag", string(id[:12]), "localhost/base:v1")...)
	if out, err := tag.CombinedOutput(); err != nil {
		return "", fmt.Errorf("buildah tag: %w: %s", err, out)
	}
	took, err := b.times(ctx, builds, append(buildah, "bud", "--pull-never", "--isolation=chroot", "--layers=false", "-f", file, "-t", "code:v1", code)...)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("`buildah bud` of the same %s", short(took.median())), nil
}
