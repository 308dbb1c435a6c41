// Package jobs puts together every kind of training job there is: their
// controllers, and what is checked of them on their way in.
package jobs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/training/jax"
	"github.com/weir-ml/weir/platform/training/job"
	"github.com/weir-ml/weir/platform/training/mpi"
	"github.com/weir-ml/weir/platform/training/mxnet"
	"github.com/weir-ml/weir/platform/training/paddle"
	"github.com/weir-ml/weir/platform/training/pytorch"
	"github.com/weir-ml/weir/platform/training/tensorflow"
	"github.com/weir-ml/weir/platform/training/xgboost"
	"github.com/weir-ml/weir/platform/wire"
)

// Options are what Setup can be told. The zero value is good.
type Options struct {
	job.Options
	TensorFlow tensorflow.Framework
	PyTorch    pytorch.Framework
	MPI        mpi.Framework
	MPIV2      mpi.V2
	// Unconverted is for API servers that have nobody turn jobs into other
	// versions.
	Unconverted bool
}

// Setup adds a controller for each kind to a manager. The kinds must be
// installed by the time the manager starts.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	belongings, err := job.NewBelongings(ctx, mgr)
	if err != nil {
		return err
	}
	o.Belongings = belongings
	hall, err := job.NewHall(mgr)
	if err != nil {
		return err
	}
	o.Hall = hall
	writer, err := wire.New(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	o.Writer = writer
	o.Events = writer.Events(ctx)
	o.MPI.Unconverted = o.Unconverted
	ofMPI := o.Options
	ofMPI.Furniture, err = job.NewFurniture(ctx, mgr, training.MPIJobKind, slices.Concat(o.MPI.Furniture(), o.MPIV2.Furniture())...)
	if err != nil {
		return err
	}
	if o.Unconverted {
		if err := mpi.SetupUnconverted(mgr); err != nil {
			return err
		}
	}
	return errors.Join(
		job.Setup(ctx, mgr, o.TensorFlow, o.Options),
		job.Setup(ctx, mgr, o.PyTorch, o.Options),
		job.Setup(ctx, mgr, xgboost.Framework{}, o.Options),
		job.Setup(ctx, mgr, paddle.Framework{}, o.Options),
		job.Setup(ctx, mgr, jax.Framework{}, o.Options),
		job.Setup(ctx, mgr, mxnet.Framework{}, o.Options),
		job.Setup(ctx, mgr, o.MPI, ofMPI),
		job.Setup(ctx, mgr, o.MPIV2, ofMPI),
		mpi.Setup(mgr),
	)
}

// Kinds are an empty job of each kind.
func Kinds() []client.Object {
	return []client.Object{
		&training.TFJob{}, &training.PyTorchJob{}, &training.XGBoostJob{}, &training.PaddleJob{}, &training.JAXJob{}, &training.MXJob{},
		&training.MPIJob{},
	}
}

// Rules refuse jobs that make no sense. A job of an older version is checked as
// one of the version that is stored.
func Rules() []admission.Rule {
	return []admission.Rule{
		rule[*training.TFJob](training.TFJobKind),
		rule[*training.PyTorchJob](training.PyTorchJobKind),
		rule[*training.XGBoostJob](training.XGBoostJobKind),
		rule[*training.PaddleJob](training.PaddleJobKind),
		rule[*training.JAXJob](training.JAXJobKind),
		rule[*training.MXJob](training.MXJobKind),
		rule[*training.MPIJob](training.MPIJobKind),
	}
}

// Conversions are of the kinds whose versions differ by more than their names.
func Conversions() []admission.Conversion {
	return []admission.Conversion{{Kind: training.MPIJobPlural + "." + training.GroupVersion.Group, Convert: mpi.Convert}}
}

func rule[J interface {
	training.Job
	comparable
}](kind string) admission.Rule {
	plural := strings.ToLower(kind) + "s"
	return admission.Check(training.GroupVersion.WithKind(kind).GroupKind(), training.GroupVersion.WithResource(plural), check[J])
}

// check says what is wrong with a job, and what its writer should hear of it.
func check[J interface {
	training.Job
	comparable
}](_ context.Context, now, before J) (warnings []string, problems field.ErrorList) {
	if w, ok := any(now).(interface{ Warnings() []string }); ok {
		warnings = w.Warnings()
	}
	var none J
	if before == none {
		return warnings, now.Validate()
	}
	return warnings, training.ValidateUpdate(now, before)
}
