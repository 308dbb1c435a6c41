package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/weir-ml/weir/cluster/podlogs"
)

func TestParseTarget(t *testing.T) {
	mapper, err := newMapper(nil)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		why  string
		args []string
		want target
		err  string
	}{
		"Slash": {
			why:  "As kubectl takes it.",
			args: []string{"tfjob/mnist"},
			want: target{schema.GroupVersionKind{Group: "kubeflow.org", Version: "v1", Kind: "TFJob"}, "ada", "mnist"},
		},
		"TwoWords": {
			why:  "So too.",
			args: []string{"PODS", "mnist-worker-0"},
			want: target{schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, "ada", "mnist-worker-0"},
		},
		"NameOnly": {
			why:  "A name alone is a pod's, as with kubectl logs.",
			args: []string{"shell"},
			want: target{schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, "ada", "shell"},
		},
		"InNoNamespace": {
			why:  "A namespace is in none.",
			args: []string{"ns/ada"},
			want: target{schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, "", "ada"},
		},
		"UnknownKind": {
			why:  "The message says where the kinds are listed.",
			args: []string{"tfjbo/mnist"},
			err:  `kind "tfjbo": there is none of this name; see: weir kubectl api-resources`,
		},
		"NoName": {
			why:  "Half a reference is none.",
			args: []string{"tfjob/"},
			err:  "tfjob/: a name is missing after the slash",
		},
		"Twice": {
			why:  "One object at a time.",
			args: []string{"pod/a", "pod/b"},
			err:  "pod/a pod/b: name one object, as in: tfjob/mnist",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseTarget(mapper, tc.args, "ada")
			if fmt.Sprint(err) != tc.err && !(err == nil && tc.err == "") {
				t.Fatalf("%s\nparseTarget(%v): %v, want %s", tc.why, tc.args, err, tc.err)
			}
			if got != tc.want {
				t.Errorf("%s\nparseTarget(%v) = %v, want %v", tc.why, tc.args, got, tc.want)
			}
		})
	}
}

// A job ran, one of its workers twice and another under a second uid. All pods
// are gone, and no weir runs: the logs are found all the same. So they are by a
// front door behind which they are kept.
func TestLogsOfAJobThatIsGone(t *testing.T) {
	dir := t.TempDir()
	k := keeper{t: t, dir: dir, now: time.Unix(1e9, 0).UTC()}
	k.keep("mnist-worker-0", "u1", "tensorflow", 0, "zero, first try")
	k.keep("mnist-worker-0", "u1", "tensorflow", 1, "zero, again")
	k.keep("mnist-worker-1", "u2", "tensorflow", 0, "one, first pod")
	k.keep("mnist-worker-1", "u3", "tensorflow", 0, "one, second pod")
	k.keep("mnist-chief-0", "u4", "tensorflow", 0, "chief")
	k.keep("mnist-chief-0", "u4", "sidecar", 0, "beside")
	k.labels = map[string]string{"jobset.sigs.k8s.io/jobset-name": "bert"}
	k.keep("bert-node-0-0-x7k2p", "u5", "node", 0, "node zero")
	k.keep("bert-node-0-1-mm4dz", "u6", "node", 0, "node one")

	mux := http.NewServeMux()
	for _, r := range (logShelf{podlogs.View(filepath.Join(dir, "kept-logs")), madeAt{times: map[string]time.Time{"ada": time.Unix(0, 0)}}}).routes() {
		mux.Handle(r.Pattern, r.Handler)
	}
	door := httptest.NewServer(mux)
	defer door.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	config := clientcmdapi.NewConfig()
	config.Clusters["it"] = &clientcmdapi.Cluster{Server: door.URL}
	config.Contexts["it"] = &clientcmdapi.Context{Cluster: "it"}
	config.CurrentContext = "it"
	if err := clientcmd.WriteToFile(*config, kubeconfig); err != nil {
		t.Fatal(err)
	}

	cases := map[string]struct {
		why  string
		args string
		want string
		err  string
		door string // the error by the door, if it is another
	}{
		"All": {
			why:  "Of each container its last start, in the order of time.",
			args: "tfjob/mnist",
			want: "worker-0           | zero, again\nworker-1           | one, second pod\nchief-0/tensorflow | chief\nchief-0/sidecar    | beside\n",
		},
		"TrainJob": {
			why:  "Its pods are its JobSet's, and have random letters after their names.",
			args: "trainjob/bert",
			want: "node-0-0 | node zero\nnode-0-1 | node one\n",
		},
		"JobSet": {
			why:  "A JobSet's replica, by the name it is shown by.",
			args: "jobset/bert --replica node-0-1",
			want: "node one\n",
		},
		"OneReplica": {
			why:  "One replica needs no name before its lines.",
			args: "tfjob/mnist --replica worker-1",
			want: "one, second pod\n",
		},
		"Previous": {
			why:  "What was printed before the last start, of the pod or of its container.",
			args: "tfjob/mnist --previous",
			want: "worker-0 | zero, first try\nworker-1 | one, first pod\n",
		},
		"Container": {
			why:  "One container of each pod.",
			args: "tfjob/mnist -c sidecar",
			want: "beside\n",
		},
		"Pod": {
			why:  "A pod by its name.",
			args: "pod/mnist-worker-0 --timestamps",
			want: "2001-09-09T01:46:42Z zero, again\n",
		},
		"Colored": {
			why:  "Only the names are colored.",
			args: "tfjob/mnist -c tensorflow --replica worker-0,worker-1 --color always",
			want: "\x1b[36mworker-0 |\x1b[0m zero, again\n\x1b[33mworker-1 |\x1b[0m one, second pod\n",
		},
		"NoSuchReplica": {
			why:  "The message says which there are.",
			args: "tfjob/mnist --replica worker-7",
			err:  "tfjob/mnist has no replica worker-7; it has chief-0, worker-0, worker-1",
		},
		"OtherJob": {
			why:  "Without an API server nobody knows what else there may be.",
			args: "tfjob/other",
			err:  "no logs of tfjob/other are kept, and no weir runs in " + dir + "; start it with: weir up",
			door: "there is no tfjob/other in namespace ada; -n names another, and no logs of it are kept",
		},
	}
	for name, tc := range cases {
		for way, f := range map[string]folder{"Folder": {flag: dir}, "Door": {flag: t.TempDir(), kubeconfig: kubeconfig}} {
			t.Run(name+way, func(t *testing.T) {
				var out bytes.Buffer
				c := newLogsCommand(&folder{flag: f.flag})
				c.SilenceUsage, c.SilenceErrors = true, true
				c.SetOut(&out)
				c.SetArgs(append(strings.Fields(tc.args), "-n", "ada", "--kubeconfig", f.kubeconfig))
				want := tc.err
				if way == "Door" && tc.door != "" {
					want = tc.door
				}
				err := c.ExecuteContext(t.Context())
				if fmt.Sprint(err) != want && !(err == nil && want == "") {
					t.Fatalf("%s\nweir logs %s: %v, want %s", tc.why, tc.args, err, want)
				}
				if diff := cmp.Diff(tc.want, out.String()); diff != "" {
					t.Errorf("%s\nweir logs %s: -want, +got:\n%s", tc.why, tc.args, diff)
				}
			})
		}
	}
}

// keeper keeps logs, each a second after the one before.
type keeper struct {
	t   *testing.T
	dir string
	now time.Time
	// labels are those of the pod; without, it is of TFJob mnist.
	labels map[string]string
}

func (k *keeper) keep(pod, uid, container string, attempt uint32, text string) {
	k.t.Helper()
	store, err := podlogs.Open(filepath.Join(k.dir, "kept-logs"), podlogs.Retention{})
	if err != nil {
		k.t.Fatal(err)
	}
	k.now = k.now.Add(time.Second)
	file := filepath.Join(k.dir, fmt.Sprintf("%s-%s-%s-%d", pod, uid, container, attempt))
	if err := os.WriteFile(file, fmt.Appendf(nil, "%s stdout F %s\n", k.now.Format(time.RFC3339Nano), text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	p := podlogs.Pod{Namespace: "ada", Name: pod, UID: uid, Created: k.now, Labels: k.labels}
	if p.Labels == nil {
		p.Labels = map[string]string{"training.kubeflow.org/job-name": "mnist", "training.kubeflow.org/operator-name": "tfjob-controller"}
	}
	if err := store.Keep(p, container, attempt, file); err != nil {
		k.t.Fatal(err)
	}
}

// A pod that goes while its log is followed is the same pod: what is known of
// when it was created only gets better.
func TestLogOfAPodThatGoes(t *testing.T) {
	created := time.Unix(1e9, 0).UTC()
	there := podlogs.Log{Pod: podlogs.Pod{Name: "mnist-worker-0", UID: "u1", Created: created}, Container: "tensorflow"}
	gone := there
	gone.Pod.Created = created.Add(300 * time.Millisecond)
	f := logFinder{chosen: map[string]podlogs.Log{}}
	if now := f.choose([]podlogs.Log{there}); len(now) != 1 {
		t.Fatalf("%d logs are chosen of one", len(now))
	}
	if now := f.choose([]podlogs.Log{gone}); len(now) != 0 {
		t.Error("it is printed again")
	}
	next := gone
	next.Pod.UID, next.Pod.Created = "u0", created.Add(time.Second)
	if now := f.choose([]podlogs.Log{gone, next}); len(now) != 1 || now[0].Pod.UID != "u0" {
		t.Errorf("of the pod that follows, %v is chosen", now)
	}
}
