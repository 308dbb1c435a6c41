package environment

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An environment with an MPI has the programs that it calls, and what its own
// kind of MPI wants to be told; others have neither.
func TestPrograms(t *testing.T) {
	cases := map[string]struct {
		why       string
		bin       []string
		said      map[string]string
		programs  bool
		variables map[string]string
	}{
		"NoMPI":   {why: "A Python alone calls nobody.", bin: []string{"python"}},
		"MPICH":   {why: "MPICH needs no variables.", bin: []string{"mpirun"}, programs: true},
		"OpenMPI": {why: "Open MPI lies elsewhere than where it was built, and runs as root.", bin: []string{"mpirun", "ompi_info"}, programs: true, variables: map[string]string{"OPAL_PREFIX": "/seen", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}},
		"Said":    {why: "What a recipe says stays.", bin: []string{"mpirun", "ompi_info"}, said: map[string]string{"OPAL_PREFIX": "/own"}, programs: true, variables: map[string]string{"OPAL_PREFIX": "/own", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, program := range tc.bin {
				path := filepath.Join(dir, "bin", program)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			e := &Environment{}
			e.describe(Recipe{Variables: tc.said})
			(&Store{programs: "/programs"}).layPrograms(e, dir, "/seen")
			laid := slices.Contains(e.Folders, Folder{Source: "/programs", Target: "/", CopyOnWrite: true})
			if laid != tc.programs {
				t.Errorf("%s Folders: %v", tc.why, e.Folders)
			}
			if tc.variables == nil {
				tc.variables = map[string]string{}
			}
			if diff := cmp.Diff(tc.variables, e.Variables); diff != "" {
				t.Errorf("%s Variables: -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// Images that are a program of the store's own mean its programs, if it has any.
func TestDelivery(t *testing.T) {
	programs := t.TempDir()
	s := newStore(t, Options{Programs: programs})
	r, ok := s.Find("kubeflow/kubectl-delivery:latest")
	if !ok {
		t.Fatal("the image means nothing")
	}
	e, err := s.Build(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Folder{{Source: programs, Target: "/", CopyOnWrite: true}}, e.Folders); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"kubectl-delivery"}, e.Entrypoint); diff != "" {
		t.Errorf("entrypoint: -want, +got:\n%s", diff)
	}
	if _, err := newStore(t, Options{}).Build(t.Context(), r, nil); err == nil {
		t.Error("without programs there is an environment")
	}
}

func TestMPIImages(t *testing.T) {
	for image, want := range map[string]string{
		"mpioperator/mpi-pi:openmpi": "openmpi<5", "mpioperator/mpi-pi:mpich": "mpich", "docker.io/mpioperator/tensorflow-benchmarks": "openmpi<5",
		"weir.local/mpich:latest": "mpich", "mpioperator/intel:latest": "impi-rt<2021.19", "mpioperator/mpi-pi:intel": "impi-rt<2021.19",
	} {
		if r, ok := builtIn(image); !ok || r.Requirements[0] != want {
			t.Errorf("%s means %v, want %s first", image, r.Requirements, want)
		}
	}
}
