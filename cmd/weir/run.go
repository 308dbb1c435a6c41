package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/packaging"
)

// runOptions are the flags of "weir run".
type runOptions struct {
	name, namespace      string
	framework            string
	workers, servers     int32
	cpu, memory          string
	gpus                 int
	hardware             string
	variables            []string
	data                 []string
	output               string
	image, python        string
	requirements         string
	packages             []string
	secrets              []string
	notebook             string
	parameters           []string
	timeout              time.Duration
	retries              int32
	detached, onlyPrints bool
}

func newRunCommand(f *folder) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run [flags] SCRIPT [arguments of the script]",
		Short: "Run a script and its folder as a job, with the packages that it needs",
		Long: `Run a Python script as a job: its folder is carried to the cluster through S3,
and the packages that it declares become an environment. No image is built. What
the script prints is shown as it comes, and its exit code is that of this command.

The folder is the one that you are in; .gitignore and .weirignore say what is left
out. Packages are read from the script itself (PEP 723), uv.lock, requirements.txt,
pyproject.toml or environment.yml, the first that there is, or guessed from what
the script imports. Flags stand before the script: what follows it is its own.`,
		Example: `  weir run train.py --epochs 5
  weir run --workers 3 --memory 2Gi train.py
  weir run --notebook report.ipynb -p epochs=5
  weir run --dry-run train.py | kubectl apply -f -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.notebook != "" {
				args = append([]string{o.notebook}, args...)
			}
			if len(args) == 0 {
				return errors.New("name a script or notebook of this folder, as in: weir run train.py")
			}
			r := runner{folder: f, options: o, out: cmd.OutOrStdout(), said: cmd.ErrOrStderr()}
			return r.run(cmd.Context(), args)
		},
	}
	flags := c.Flags()
	flags.SetInterspersed(false)
	flags.StringVar(&o.name, "name", "", "the job's name (default the script's, with letters after it)")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the job's namespace (default that of weir.yaml, or default)")
	flags.StringVar(&o.framework, "framework", "", "what it trains with, which decides the kind of job: "+frameworkNames()+" (default what the script imports)")
	flags.Int32Var(&o.workers, "workers", 0, "how many processes train together")
	flags.Int32Var(&o.servers, "ps", 0, "how many parameter servers there are, with TensorFlow")
	flags.StringVar(&o.cpu, "cpu", "", "cores for each replica, as 2 or 500m")
	flags.StringVar(&o.memory, "memory", "", "memory for each replica, as 4Gi")
	flags.IntVar(&o.gpus, "gpu", 0, "GPUs for each replica")
	flags.StringVar(&o.hardware, "hardware", "", "cores, memory and GPUs by a name of weir.yaml's menu")
	flags.StringArrayVarP(&o.variables, "env", "e", nil, "variable of the script's environment, as KEY=VALUE; KEY alone takes it from this shell")
	flags.StringArrayVar(&o.data, "data", nil, "what to bring along, as s3://BUCKET/PATH:/DIR or FOLDER:/DIR")
	flags.StringVar(&o.output, "output", "", "folder that the script writes to, whose files are kept in S3")
	flags.StringVar(&o.image, "image", "", "image to run in (default a plain Python with the script's packages)")
	flags.StringVar(&o.python, "python", "", "version of Python, as 3.12")
	flags.StringVarP(&o.requirements, "requirements", "r", "", "file of packages, in place of those that the folder declares")
	flags.StringArrayVar(&o.packages, "package", nil, "one more package, as pip names it; may be repeated")
	flags.StringArrayVar(&o.secrets, "with-secret", nil, "file to carry along although it looks like a secret; may be repeated")
	flags.StringVar(&o.notebook, "notebook", "", "notebook to run in place of a script; it is kept with its results")
	flags.StringArrayVarP(&o.parameters, "parameter", "p", nil, "parameter of the notebook, as NAME=VALUE; may be repeated")
	flags.DurationVar(&o.timeout, "timeout", 0, "how long it may run, as 2h")
	flags.Int32Var(&o.retries, "retry", 0, "how often to try again when it fails")
	flags.BoolVarP(&o.detached, "detach", "d", false, "return at once, and let it run")
	flags.BoolVar(&o.onlyPrints, "dry-run", false, "carry the folder to S3, and print the job's manifest in place of creating it")
	f.orAnother(flags)
	return c
}

// complete takes from a site's settings what nobody has said.
func (o *runOptions) complete(site runSettings) error {
	wanted := site.hardware
	if o.hardware != "" {
		var ok bool
		if wanted, ok = site.Hardware[o.hardware]; !ok {
			known := "weir.yaml has no menu, which is run.hardware"
			if len(site.Hardware) > 0 {
				known = "weir.yaml has " + strings.Join(slices.Sorted(maps.Keys(site.Hardware)), ", ")
			}
			return fmt.Errorf("--hardware %s: %s", o.hardware, known)
		}
	}
	o.cpu, o.memory = cmp.Or(o.cpu, wanted.CPU), cmp.Or(o.memory, wanted.Memory)
	if o.gpus == 0 {
		o.gpus = wanted.GPU
	}
	o.namespace = cmp.Or(o.namespace, site.Namespace, "default")
	o.image = cmp.Or(o.image, site.Image)
	var variables []string
	for _, name := range slices.Sorted(maps.Keys(site.Variables)) {
		variables = append(variables, name+"="+site.Variables[name])
	}
	o.variables = append(variables, o.variables...) // The last of a name wins.
	return nil
}

// A runner takes a script from its folder to the end of its job.
type runner struct {
	folder  *folder
	options runOptions

	output string // folder that the run leaves things in

	out  io.Writer // what the script prints
	said io.Writer // what weir has to say
}

func (r *runner) say(format string, args ...any) { fmt.Fprintf(r.said, format+"\n", args...) }

func (r *runner) run(ctx context.Context, args []string) error {
	config, err := r.folder.rest()
	if err != nil {
		return err
	}
	dir, err := r.folder.path()
	if err != nil {
		return err
	}
	site, err := readSettings(dir)
	if err != nil {
		return err
	}
	if err := r.options.complete(site.Run); err != nil {
		return err
	}
	store, err := r.store()
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the script's folder: %w", err)
	}
	run, err := r.draft(here, args)
	if err != nil {
		return err
	}
	if err := r.carry(ctx, store, here, run); err != nil {
		return err
	}
	r.output = run.Output
	if run.Output != "" {
		if err := store.MakeBucket(ctx, packaging.OutputBucket); err != nil {
			return err
		}
	}
	object, err := run.Manifest()
	if err != nil {
		return err
	}
	if r.options.onlyPrints {
		return r.print(object)
	}
	if err := r.prepare(ctx, run); err != nil {
		return err
	}
	mapper, err := newMapper(config)
	if err != nil {
		return err
	}
	c, err := newClient(config, mapper)
	if err != nil {
		return err
	}
	if err := r.findsCode(ctx, c, run.Namespace); err != nil {
		return err
	}
	if err := c.Create(ctx, object); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("there is a %s %s already: choose another --name, or delete it with: weir kubectl delete %s/%[2]s -n %[4]s", object.GetKind(), run.Name, kindWord(object), run.Namespace)
		}
		return fmt.Errorf("create %s/%s: %w", kindWord(object), run.Name, err)
	}
	if r.options.detached {
		fmt.Fprintf(r.out, "%s/%s\n", kindWord(object), run.Name)
		r.say("it runs; see how it goes with: %s", r.command("watch", object))
		return nil
	}
	return r.accompany(ctx, store, c, object)
}

// print writes the manifest.
func (r *runner) print(object *unstructured.Unstructured) error {
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return err
	}
	_, err = r.out.Write(text)
	return err
}

// store is the S3 that code is carried through: weir's own, or for another
// cluster the one that the shell knows.
func (r *runner) store() (*packaging.Store, error) {
	if r.folder.kubeconfig != "" {
		a := packaging.Access{
			Endpoint: os.Getenv("AWS_ENDPOINT_URL"), Region: cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1"),
			AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
			CAFile: os.Getenv("AWS_CA_BUNDLE"),
		}
		if a.Endpoint == "" || a.AccessKey == "" {
			return nil, errors.New("code is carried through an S3 that this machine and the cluster reach: set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
		}
		return packaging.Open(a)
	}
	_, s, err := r.folder.running()
	if err != nil {
		return nil, err
	}
	if s.S3.URL == "" {
		return nil, errors.New("code is carried through S3, and this weir runs without: start it with: weir up, and not --without s3")
	}
	return packaging.Open(packaging.Access{
		Endpoint: s.S3.URL, Region: s.S3.Region, AccessKey: s.S3.AccessKey, SecretKey: s.S3.SecretKey, CAFile: s.S3.CAFile,
	})
}

// findsCode says why pods of a namespace would not find what was carried to weir's own S3.
func (r *runner) findsCode(ctx context.Context, c client.Reader, namespace string) error {
	if r.folder.kubeconfig != "" {
		return nil
	}
	elsewhere, err := admission.LedElsewhere(ctx, c, namespace)
	if err == nil && elsewhere {
		err = fmt.Errorf("pods of namespace %s would not find the code: the secret %s there, which somebody made by hand, leads them to another S3 than weir's: run it in another namespace, or have weir make the secret anew: weir kubectl delete secret %[2]s -n %[1]s", namespace, admission.SecretS3)
	}
	return err
}

// prepare builds the environment of a run, which its pods would otherwise wait
// for, and says how that goes. Another cluster's pods install packages themselves.
func (r *runner) prepare(ctx context.Context, run *packaging.Run) error {
	if r.folder.kubeconfig != "" || len(run.Packages) == 0 || r.options.detached {
		return nil
	}
	python, bare := admission.BarePython(run.Image)
	if !bare {
		return nil
	}
	dir, err := r.folder.path()
	if err != nil {
		return err
	}
	store, err := environment.Open(environmentsDir(dir), environment.Options{})
	if err != nil {
		return err
	}
	name, err := store.Keep(python, run.Packages)
	if err != nil {
		return err
	}
	recipe, _ := store.Find(name)
	if _, ok := store.Built(recipe); ok {
		return nil
	}
	_, err = store.Build(ctx, recipe, func(text string) { r.say("weir: %s", text) })
	return err
}
