package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/requirements"
	"github.com/weir-ml/weir/platform/packaging"
)

func frameworkNames() string {
	var names []string
	for _, f := range packaging.Frameworks() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// draft is the run that the options and the folder come to. Its code is still to
// be carried.
func (r *runner) draft(here string, args []string) (*packaging.Run, error) {
	o := r.options
	script, err := within(here, args[0])
	if err != nil {
		return nil, err
	}
	for _, a := range args[1:] {
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if strings.HasPrefix(a, "--") && slices.Contains([]string{"workers", "ps", "framework", "detach", "dry-run"}, name) {
			r.say("weir: %s goes to %s, as all that stands after it", a, script)
		}
	}
	run := &packaging.Run{
		Name: o.name, Namespace: o.namespace,
		Framework: packaging.Framework(o.framework), Workers: o.workers, ParameterServers: o.servers,
		Output: o.output, Timeout: o.timeout, Retries: o.retries,
	}
	if run.Name == "" {
		run.Name = nameOf(script)
	}
	if run.Command, err = commandOf(run, script, args[1:], o.parameters); err != nil {
		return nil, err
	}
	if run.Variables, err = variablesOf(o.variables); err != nil {
		return nil, err
	}
	if run.Resources, err = resourcesOf(o); err != nil {
		return nil, err
	}
	if run.Data, err = dataOf(o.data); err != nil {
		return nil, err
	}
	imports, err := requirements.Imports(here, script)
	if err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	if err := r.choose(run, script, imports); err != nil {
		return nil, err
	}
	return run, r.equip(run, here, script, imports)
}

// isNotebook is whether a file is a notebook, and not a script.
func isNotebook(script string) bool { return path.Ext(script) == ".ipynb" }

// notebookOutput is where a notebook is kept with its results, if nobody says.
const notebookOutput = "../notebook"

// commandOf is what a pod runs.
func commandOf(run *packaging.Run, script string, args, parameters []string) ([]string, error) {
	if !isNotebook(script) {
		if len(parameters) > 0 {
			return nil, fmt.Errorf("-p %s: only notebooks have parameters; arguments of %s stand after it", parameters[0], script)
		}
		return append([]string{"python", script}, args...), nil
	}
	if len(args) > 0 {
		return nil, fmt.Errorf("%s: a notebook takes no arguments: give it parameters, as -p epochs=5", args[0])
	}
	run.Output = strings.TrimSuffix(cmp.Or(run.Output, notebookOutput), "/") + "/" // papermill makes no folder
	command := []string{
		"python", "-m", "papermill", "--kernel", "python3", "--no-progress-bar", "--stdout-file", "/dev/stdout", "--stderr-file", "/dev/stderr",
		script, run.Output + path.Base(script),
	}
	for _, p := range parameters {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return nil, fmt.Errorf("-p %s: write it as NAME=VALUE", p)
		}
		command = append(command, "-p", name, value)
	}
	return command, nil
}

// within is a script's name below the folder that it is run in.
func within(here, script string) (string, error) {
	info, err := os.Stat(script)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no %s here, in %s", script, here)
	}
	if err != nil {
		return "", fmt.Errorf("read script: %w", err)
	}
	if info.IsDir() {
		return "", fmt.Errorf("%s is a folder: name a script in it", script)
	}
	abs, err := filepath.Abs(script)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(here, abs)
	if err != nil || strings.HasPrefix(rel, "../") {
		return "", fmt.Errorf("%s is not below %s, which is the folder that is carried: go to the program's folder", script, here)
	}
	return filepath.ToSlash(rel), nil
}

// notInNames are the letters that names of objects may not have.
var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf makes a name that no other run has.
func nameOf(script string) string {
	stem := strings.ToLower(strings.TrimSuffix(path.Base(script), path.Ext(script)))
	stem = strings.Trim(notInNames.ReplaceAllString(stem, "-"), "-")
	if stem == "" || stem[0] < 'a' {
		stem = "run-" + stem
	}
	return strings.TrimRight(stem[:min(len(stem), 30)], "-") + "-" + strings.ToLower(rand.Text()[:5])
}

func variablesOf(words []string) ([]corev1.EnvVar, error) {
	var all []corev1.EnvVar
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			if value, ok = os.LookupEnv(name); !ok {
				return nil, fmt.Errorf("--env %s: this shell has no such variable: write %[1]s=VALUE", name)
			}
		}
		all = slices.DeleteFunc(all, func(v corev1.EnvVar) bool { return v.Name == name }) // The last of a name wins.
		all = append(all, corev1.EnvVar{Name: name, Value: value})
	}
	return all, nil
}

func resourcesOf(o runOptions) (corev1.ResourceList, error) {
	all := corev1.ResourceList{}
	for _, r := range []struct {
		flag, value string
		name        corev1.ResourceName
		as          string
	}{
		{"--cpu", o.cpu, corev1.ResourceCPU, "2 or 500m"},
		{"--memory", o.memory, corev1.ResourceMemory, "4Gi"},
	} {
		if r.value == "" {
			continue
		}
		q, err := resource.ParseQuantity(r.value)
		if err != nil || q.Sign() <= 0 {
			return nil, fmt.Errorf("%s %s: write it as %s", r.flag, r.value, r.as)
		}
		all[r.name] = q
	}
	if o.gpus > 0 {
		all["nvidia.com/gpu"] = *resource.NewQuantity(int64(o.gpus), resource.DecimalSI)
	}
	return all, nil
}

// choose decides what kind of job it is.
func (r *runner) choose(run *packaging.Run, script string, imports []requirements.Import) error {
	if run.Framework != "" {
		return run.Framework.Check()
	}
	if run.Workers <= 1 && run.ParameterServers == 0 {
		return nil
	}
	guessed, from := frameworkOf(imports)
	if guessed == "" {
		return fmt.Errorf("%d workers: %s imports nothing that trains over several processes: name one with --framework: %s", run.Workers, script, frameworkNames())
	}
	run.Framework = guessed
	r.say("weir: %s imports %s, so it runs as %s", script, from, guessed.Kind())
	return nil
}

// frameworkOf is what a program trains with by what it imports.
func frameworkOf(imports []requirements.Import) (framework packaging.Framework, module string) {
	for _, known := range []struct {
		modules   []string
		framework packaging.Framework
	}{
		{[]string{"mpi4py", "horovod"}, packaging.MPI},
		{[]string{"torch", "lightning", "pytorch_lightning"}, packaging.PyTorch},
		{[]string{"tensorflow", "tf_keras"}, packaging.TensorFlow},
		{[]string{"jax", "flax"}, packaging.JAX},
		{[]string{"paddle"}, packaging.Paddle},
		{[]string{"xgboost", "lightgbm"}, packaging.XGBoost},
	} {
		for _, i := range imports {
			if slices.Contains(known.modules, i.Module) {
				return known.framework, i.Module
			}
		}
	}
	return "", ""
}

// equip says what the program runs in: an image, and packages beside it.
func (r *runner) equip(run *packaging.Run, here, script string, imports []requirements.Import) error {
	o := r.options
	list, err := r.declared(here, script)
	if err != nil {
		return err
	}
	for _, n := range list.Notes {
		r.say("weir: %s", n)
	}
	switch {
	case list.From != "":
		r.say("weir: %s from %s", count(len(list.Packages), "package"), list.From)
	case o.image == "":
		list.Packages = r.guess(script, imports)
	}
	run.Packages = append(list.Packages, o.packages...)
	if isNotebook(script) {
		run.Packages = append(run.Packages, "papermill", "ipykernel")
	}
	if run.Framework == packaging.MPI && o.image == "" {
		run.Packages = withMPI(run.Packages)
	}
	run.Image = cmp.Or(o.image, packaging.PythonImage(cmp.Or(o.python, list.Python)))
	return nil
}

func (r *runner) declared(here, script string) (requirements.List, error) {
	if r.options.requirements != "" {
		return requirements.ReadFile(r.options.requirements)
	}
	return requirements.Find(here, script)
}

// frameworkImages are those by which weir knows frameworks. (Nothing changes it.)
var frameworkImages = map[packaging.Framework]string{
	packaging.TensorFlow: "tensorflow/tensorflow", packaging.PyTorch: "pytorch/pytorch", packaging.JAX: "weir.local/jax",
	packaging.XGBoost: "weir.local/xgboost", packaging.Paddle: "paddlepaddle/paddle",
}

// guess takes packages from what a program imports where nothing declares any.
func (r *runner) guess(script string, imports []requirements.Import) []string {
	var packages, unknown []string
	for _, i := range imports {
		if i.Package == "" {
			unknown = append(unknown, i.Module)
			continue
		}
		packages = append(packages, i.Package)
	}
	if len(unknown) > 0 {
		r.say("weir: %s imports %s, and nothing says which packages have them: list these in a requirements.txt", script, strings.Join(unknown, ", "))
	}
	if len(packages) == 0 {
		return nil
	}
	// What the environment of a framework's image has anyway is built already,
	// or will be of use again.
	framework, _ := frameworkOf(imports)
	if image := frameworkImages[framework]; image != "" {
		for _, known := range environment.BuiltIn() {
			if strings.HasPrefix(known.Image, image+":") && hasAll(known.Requirements, packages) {
				packages = known.Requirements
			}
		}
	}
	r.say("weir: packages from what %s imports: %s", script, strings.Join(packages, ", "))
	return packages
}

// withMPI adds an MPI to packages that have none. Since version 5 Open MPI reads
// neither the variables nor the options of MPIJobs.
func withMPI(packages []string) []string {
	for _, p := range packages {
		if strings.HasPrefix(p, "openmpi") || strings.HasPrefix(p, "mpich") {
			return packages
		}
	}
	if !slices.Contains(packages, "mpi4py") {
		packages = append(packages, "mpi4py")
	}
	return append(packages, "openmpi<5")
}

// hasAll is whether a list has all packages of another; TensorFlow's has what
// needs no GPU.
func hasAll(list, packages []string) bool {
	return !slices.ContainsFunc(packages, func(p string) bool {
		return !slices.Contains(list, p) && !(p == "tensorflow" && slices.Contains(list, "tensorflow-cpu"))
	})
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// carry brings the folder and local data to S3.
func (r *runner) carry(ctx context.Context, store *packaging.Store, here string, run *packaging.Run) error {
	url, err := r.bring(ctx, store, here)
	if err != nil {
		return err
	}
	run.Code = url
	for i, d := range run.Data {
		if strings.HasPrefix(d.From, "s3://") {
			continue
		}
		if run.Data[i].From, err = r.bring(ctx, store, d.From); err != nil {
			return fmt.Errorf("--data %s:%s: %w", d.From, d.To, err)
		}
	}
	return nil
}

// fromTo is where data is, and the folder that it is brought to.
var fromTo = regexp.MustCompile(`^(s3://[^:/]+(?:/.*)?|[^:]+):(/[^/].*)$`)

func dataOf(words []string) ([]packaging.Data, error) {
	var all []packaging.Data
	for _, w := range words {
		m := fromTo.FindStringSubmatch(w)
		if m == nil {
			return nil, fmt.Errorf("--data %s: write it as s3://BUCKET/PATH:/DIR or FOLDER:/DIR", w)
		}
		all = append(all, packaging.Data{From: m[1], To: path.Clean(m[2])})
	}
	return all, nil
}

// large is the size of a folder of which its largest parts are named.
const large = 200 << 20

// bring carries a folder to S3 and returns where it is.
func (r *runner) bring(ctx context.Context, store *packaging.Store, dir string) (string, error) {
	folder, err := packaging.Read(dir, packaging.Options{Secrets: r.options.secrets})
	if err != nil {
		return "", err
	}
	for _, s := range folder.Secrets {
		r.say("weir: %s stays here: it %s; --with-secret %[1]s takes it along", s.Name, s.Why)
	}
	if size := folder.Size(); size > large {
		var parts []string
		for _, p := range folder.Largest(3) {
			parts = append(parts, fmt.Sprintf("%s (%s)", p.Name, inBytes(p.Size)))
		}
		r.say("weir: the folder has %s, most of it in %s: name in .weirignore what the program does not need", inBytes(size), strings.Join(parts, ", "))
	}
	bundle, err := packaging.Pack(folder)
	if err != nil {
		return "", err
	}
	sent, err := store.Put(ctx, bundle)
	if err != nil {
		return "", err
	}
	if sent > 0 {
		r.say("weir: %s, %s, to %s", count(len(folder.Files), "file"), inBytes(sent), bundle.URL())
	}
	return bundle.URL(), nil
}
