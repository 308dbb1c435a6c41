package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// trains is a job whose chief prints what Keras would, and whose worker prints
// something else, an epoch each time that seconds have passed.
func trains(name, annotation, seconds string) string {
	return `
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: ` + name + `, annotations: {` + annotation + `}}
spec:
  tfReplicaSpecs:
    Chief: {restartPolicy: OnFailure, template: {spec: {terminationGracePeriodSeconds: 0, containers: [{name: tensorflow, image: "python:3.11", command: [sh, -c, "
      for e in 1 2 3 4; do
        echo Epoch $e/4;
        echo '5/10 [====>...] - ETA: 0s - loss: 0.'$((9 - e))5' - accuracy: 0.'$e'0';
        sleep ` + seconds + `;
        echo '10/10 [=======] - 0s 1ms/step - loss: 0.'$((9 - e))' - accuracy: 0.'$e'5 - val_loss: 0.'$((9 - e))9;
      done"]}]}}}
    Worker: {restartPolicy: OnFailure, template: {spec: {terminationGracePeriodSeconds: 0, containers: [{name: tensorflow, image: "python:3.11", command: [sh, -c, "
      echo connecting to 10.0.0.1:2222, port=8080; echo step 3 my_gap: 0.25"]}]}}}
`
}

// A job trains; weir watch shows it, here and from afar, its status says the
// latest, and over HTTP those may read its curves who may get the job.
func TestWatch(t *testing.T) {
	s := begin(t)
	s.apply(trains("curve", "", "1"))

	out := s.must("watch", "tfjob/curve")
	for _, want := range []string{"\nchief-0  running  epoch ", "\nchief-0  succeeded  epoch 4/4  step 10/10  100 %  loss 0.5  accuracy 0.45  val loss 0.59\n", "\nTFJob curve has finished well.\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("weir watch does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "port") || strings.Contains(out, "2222") {
		t.Errorf("weir watch takes for measured what is not:\n%s", out)
	}
	again := s.must("watch", "tfjob/curve")
	if want := "chief-0  succeeded  epoch 4/4  step 10/10  100 %  loss 0.5  accuracy 0.45  val loss 0.59\n"; !strings.Contains(again, want) {
		t.Errorf("of a job that has ended weir watch says\n%s", again)
	}
	s.eventually(time.Minute, "another cluster's job is followed through its API server", func() (bool, string) {
		afar := s.must("watch", "tfjob/curve", "--kubeconfig", filepath.Join(s.dir, "kubeconfig"))
		return strings.Contains(afar, "epoch 4/4  step 10/10  100 %  loss 0.5  accuracy 0.45  val loss 0.59\n"), afar
	})
	s.eventually(time.Minute, "the status says the latest", func() (bool, string) {
		status := s.kubectl("get", "tfjob", "curve", "-o", "jsonpath={.status.progress}")
		return strings.Contains(status, `"epoch":4,"epochs":4`) && strings.Contains(status, `"percent":100`) && strings.Contains(status, `"replica":"chief-0"`) &&
			strings.Contains(status, `{"accuracy":"0.45","loss":"0.5","my_gap":"0.25","val_loss":"0.59"}`), status
	})

	s.kubectl("create", "serviceaccount", "viewer")
	s.kubectl("create", "serviceaccount", "stranger")
	s.kubectl("create", "rolebinding", "viewer", "--clusterrole=kubeflow-training-view", "--serviceaccount="+s.namespace+":viewer")
	url := strings.TrimSuffix(s.is(t).Metrics.URL, "/metrics") + "/progress/" + s.namespace + "/tfjobs/curve?name=loss"
	s.eventually(time.Minute, "the curve is answered", func() (bool, string) {
		said := getWith(url, strings.TrimSpace(s.kubectl("create", "token", "viewer")))
		var answer struct {
			Replicas []struct {
				Name   string
				Series []struct {
					Name   string
					Points []struct{ Step, Value float64 }
				}
			}
		}
		if json.Unmarshal([]byte(said), &answer) != nil || len(answer.Replicas) != 2 || len(answer.Replicas[0].Series) != 1 {
			return false, said
		}
		points := fmt.Sprint(answer.Replicas[0].Series[0].Points)
		return points == "[{5 0.85} {10 0.8} {15 0.75} {20 0.7} {25 0.65} {30 0.6} {35 0.55} {40 0.5}]", said
	})
	if said := getWith(url, strings.TrimSpace(s.kubectl("create", "token", "stranger"))); !strings.Contains(said, "stranger may not get tfjobs "+s.namespace+"/curve") {
		t.Errorf("a stranger is told:\n%s", said)
	}
	if said := get(url); !strings.Contains(said, "kubectl create token") {
		t.Errorf("without a token one is told:\n%s", said)
	}
}

// A TrainJob that does not report how far it is has it found in its logs, and in
// the place where programs would report it.
func TestWatchTrainJob(t *testing.T) {
	s := begin(t)
	s.apply(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: curve}
spec:
  runtimeRef: {name: torch-distributed}
  trainer: {numNodes: 2, image: "python:3.11", command: [sh, -c, "for e in 1 2; do echo Epoch $e/2, loss: 0.$((9 - e)); sleep 1; done"]}
`)
	out := s.must("watch", "trainjob/curve")
	for _, want := range []string{"\nnode-0-0  succeeded  epoch 2/2  100 %  loss 0.7\n", "\nnode-0-1  succeeded  epoch 2/2  100 %  loss 0.7\n", "\nTrainJob curve has finished well.\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("weir watch does not say %q:\n%s", want, out)
		}
	}
	s.eventually(time.Minute, "the status says the latest", func() (bool, string) {
		status := s.kubectl("get", "trainjob", "curve", "-o", "jsonpath={.status.trainerStatus}")
		return strings.Contains(status, `"metrics":[{"name":"loss","value":"0.7"}],"progressPercentage":100`), status
	})
}

// The scalars in files for TensorBoard are read, from a bucket and from a volume.
func TestWatchEvents(t *testing.T) {
	s := begin(t)
	events, err := os.ReadFile("../../kit/measure/testdata/tensorboardx.tfevents")
	if err != nil {
		t.Fatal(err)
	}
	s.weir.bucket(t, "events-of-runs").put("first/train/events.out.tfevents.1", string(events))
	s.apply(strings.ReplaceAll(trains("in-bucket", `weir-ml.github.io/events: "s3://events-of-runs/first"`, "1"), "template: {spec:", `template: {metadata: {labels: {weir-ml.github.io/s3: "true"}}, spec:`))
	s.apply(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: runs}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: in-volume, annotations: {weir-ml.github.io/events: "pvc://runs/second"}}
spec:
  tfReplicaSpecs:
    Worker:
      template:
        spec:
          volumes: [{name: v, persistentVolumeClaim: {claimName: runs}}]
          containers:
          - name: tensorflow
            image: python:3.11
            command: [sh, -c, "mkdir -p /v/second/train; echo ` + base64.StdEncoding.EncodeToString(events) + ` | base64 -d > /v/second/train/events.out.tfevents.1"]
            volumeMounts: [{name: v, mountPath: /v}]
`)
	for _, job := range []string{"in-bucket", "in-volume"} {
		s.becomes(job, "Succeeded", 2*time.Minute)
		s.eventually(time.Minute, "the scalars of "+job+" are shown", func() (bool, string) {
			out := s.must("watch", "tfjob/"+job)
			return strings.Contains(out, "\nevents/train  loss 0.2\n") || strings.HasPrefix(out, "events/train  loss 0.2\n"), out
		})
	}
}

// weir is killed while a job trains. What the job had said is still known, and
// what it says when it is run again comes to it.
func TestCurvesSurviveAKill(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.starts(t)
	s := w.story(t)
	s.apply(trains("curve", "", "2"))
	known := func(points int) func() (bool, string) {
		return func() (bool, string) {
			all := s.lossesOf("curve")
			return len(all) >= points, fmt.Sprint(all)
		}
	}
	s.eventually(2*time.Minute, "a part of the curve is known", known(3))
	w.isKilled(t)
	before := s.lossesOf("curve")
	w.starts(t)
	s.becomes("curve", "Succeeded", 2*time.Minute)
	s.eventually(time.Minute, "the job's second run is known too", known(len(before)+8))
	if after := s.lossesOf("curve"); fmt.Sprint(after[:len(before)]) != fmt.Sprint(before) {
		t.Errorf("before the kill the curve was %v, now it begins with %v", before, after)
	}
}

// lossesOf are the losses that the chief of a job has said, as they are kept.
func (s *story) lossesOf(job string) []float64 {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "progress", s.namespace, "tfjob."+job+".*.jsonl"))
	if err != nil {
		s.Fatal(err)
	}
	var all []float64
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			s.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			var batch struct {
				Replica string
				Series  []struct {
					Name   string
					Points []struct{ Value float64 }
				}
			}
			if json.Unmarshal([]byte(line), &batch) != nil || batch.Replica != "chief-0" {
				continue
			}
			for _, series := range batch.Series {
				for _, p := range series.Points {
					if series.Name == "loss" {
						all = append(all, p.Value)
					}
				}
			}
		}
	}
	return all
}

// A bar that draws over itself is seen while it does, though its line has no end;
// kubectl logs shows the line as it was printed.
func TestBarIsSeenWhileItIsDrawn(t *testing.T) {
	s := begin(t)
	s.apply(`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: bar}
spec:
  tfReplicaSpecs:
    Chief: {template: {spec: {terminationGracePeriodSeconds: 0, containers: [{name: tensorflow, image: "python:3.11", command: [sh, -c, "
      i=0;
      while [ ! -e /tmp/enough ]; do
        [ $i -eq 9 ] || i=$((i + 1));
        printf '\\r%s/10 - loss: 0.%s' $i $((10 - i));
        sleep .5;
      done;
      printf '\\r10/10 - loss: 0.05\\n'"]}]}}}
`)
	s.eventually(2*time.Minute, "its status says how far the bar is", func() (bool, string) {
		status := s.kubectl("get", "tfjob", "bar", "-o", "jsonpath={.status.progress}")
		return strings.Contains(status, `"loss":"0.1"`), status
	})
	if out := s.kubectl("logs", "bar-chief-0"); strings.Contains(out, "loss") {
		t.Errorf("a line without an end is in the log:\n%q", out)
	}
	s.exec("bar-chief-0", "touch /tmp/enough")
	s.becomes("bar", "Succeeded", time.Minute)
	if out := s.kubectl("logs", "bar-chief-0", "--tail=1"); !strings.HasPrefix(out, "\r1/10 - loss: 0.9\r2/10") || !strings.HasSuffix(out, "\r10/10 - loss: 0.05\n") {
		t.Errorf("kubectl logs says %q", out)
	}
	s.eventually(time.Minute, "its status says the end", func() (bool, string) {
		status := s.kubectl("get", "tfjob", "bar", "-o", "jsonpath={.status.progress}")
		return strings.Contains(status, `"loss":"0.05"`), status
	})
}
