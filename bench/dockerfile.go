package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
)

// benchDockerfile has two steps that run, of which the last reads what was copied.
const benchDockerfile = `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY code /app
RUN ["/bin/sh", "-c", "find /app -type f | sort > /list"]
`

// largeSteps is how many of its steps end with the code in the root.
const largeSteps = 2

// A dockerfile is a folder that is built by a Dockerfile, with 50 MB of code.
type dockerfile struct {
	dir    string
	random *rand.Rand
}

// ofDockerfile measures a Dockerfile's build without anything that is kept, and
// after a change of one file, beside buildah of the same and beside the snapshots
// that kaniko would take: it walks and hashes the whole root after each step.
func (b *bench) ofDockerfile(ctx context.Context) error {
	const what = "`weir image build` of a Dockerfile with two RUNs and 50 MB of code; after a change of one file"
	box, err := exec.LookPath("busybox")
	if err != nil {
		b.report.row(what, "not measured: there is no busybox (Debian's busybox-static) for the image")
		return nil //nolint:nilerr // Said, and no more.
	}
	dir, err := os.MkdirTemp(b.scratch, "dockerfile-")
	if err != nil {
		return err
	}
	d := dockerfile{dir: filepath.Join(dir, "context"), random: rand.New(rand.NewPCG(3, 4))}
	if err := d.make(box); err != nil {
		return err
	}
	mine, err := b.builtBy(ctx, d, func(kept string) []string {
		return []string{b.binary, "--dir", kept, "image", "build", d.dir, "--tag", "code:v1"}
	})
	if err != nil {
		return err
	}
	peer := "there is no buildah to compare with"
	snapshots, err := b.snapshots(ctx, d)
	if err != nil {
		return err
	}
	if program, err := exec.LookPath("buildah"); err == nil {
		theirs, err := b.builtBy(ctx, d, func(kept string) []string {
			return []string{program, "--root", kept, "--runroot", kept + ".run", "bud", "--pull-never", "--isolation=chroot", "--layers", "-t", "code:v1", d.dir}
		})
		peer = "buildah does not work here"
		if err == nil {
			peer = fmt.Sprintf("`buildah bud --layers` of the same %s and %s", short(theirs.cold.median()), short(theirs.changed.median()))
		}
	}
	cold := mine.cold.median()
	b.report.row(what, "%s, at best %s; %s, at best %s (medians of %d); %s",
		short(cold), short(mine.cold.quantile(0)), short(mine.changed.median()), short(mine.changed.quantile(0)), builds, peer)
	b.report.row("to walk and hash the root (`find`, `sha256sum`) after each of the two steps that have the code, as a full snapshot does", "%s (median of %d), %.2f of weir's whole build",
		short(snapshots.median()), builds, snapshots.median().Seconds()/cold.Seconds())
	return nil
}

func (d dockerfile) make(box string) error {
	for n := range codeFiles {
		if err := writeCode(d.random, d.code(n)); err != nil {
			return err
		}
	}
	program, err := os.ReadFile(box)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(d.dir, "busybox"), program, 0o755), //nolint:gosec // It is a program.
		os.WriteFile(filepath.Join(d.dir, "Dockerfile"), []byte(benchDockerfile), 0o600),
	)
}

// code is the file of a number.
func (d dockerfile) code(n int) string {
	return filepath.Join(d.dir, "code", fmt.Sprintf("part%d", n/100), fmt.Sprintf("%d.py", n))
}

// A twofold is how long builds take that find nothing kept, and those that follow
// them, with one file changed.
type twofold struct{ cold, changed samples }

// builtBy builds with what keeps its things in a folder, again and again in a new one.
func (b *bench) builtBy(ctx context.Context, d dockerfile, command func(kept string) []string) (twofold, error) {
	var all twofold
	for range builds {
		kept, err := os.MkdirTemp(b.scratch, "kept-")
		if err != nil {
			return all, err
		}
		for _, took := range []*samples{&all.cold, &all.changed} {
			one, err := b.times(ctx, 1, command(kept)...)
			if err != nil {
				return all, err
			}
			*took = append(*took, one...)
			if err := writeCode(d.random, d.code(codeFiles/2)); err != nil {
				return all, err
			}
		}
		if err := errors.Join(os.RemoveAll(kept), os.RemoveAll(kept+".run")); err != nil {
			return all, err
		}
	}
	return all, nil
}

// snapshots is how long it takes to walk and hash what the image has of files, once
// for each step that has the code.
func (b *bench) snapshots(ctx context.Context, d dockerfile) (samples, error) {
	one := fmt.Sprintf("find %s -xdev -type f -print0 | xargs -0 sha256sum > /dev/null;", d.dir)
	var all string
	for range largeSteps {
		all += one
	}
	return b.times(ctx, builds, "sh", "-c", all)
}
