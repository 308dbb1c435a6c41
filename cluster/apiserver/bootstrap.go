package apiserver

import (
	"context"
	"fmt"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-helpers/auth/rbac/reconciliation"
	schedulingv1 "k8s.io/kubernetes/pkg/apis/scheduling/v1"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// Upstream makes its roles and priority classes one after another and looks
// once a second whether it may go on. The same objects are made here many at a
// time, and tried again after milliseconds: that saves more than a second.

const (
	atOnce     = 24
	retryAfter = 5 * time.Millisecond
	giveUp     = 30 * time.Second
)

func bootstrapRoles(hook genericapiserver.PostStartHookContext) error {
	client, err := kubernetes.NewForConfig(hook.LoopbackClientConfig)
	if err != nil {
		return fmt.Errorf("make roles: %w", err)
	}
	have := map[string]*rbacv1.ClusterRole{}
	err = retry(hook, func(ctx context.Context) error {
		list, err := client.RbacV1().ClusterRoles().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			have[list.Items[i].Name] = &list.Items[i]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("make roles: %w", err)
	}
	return each(hook, roleSteps(client, have))
}

type step func(ctx context.Context) error

// roleSteps makes the roles and bindings that are missing, and brings cluster
// roles of an older version up to date, as upstream does.
func roleSteps(client kubernetes.Interface, have map[string]*rbacv1.ClusterRole) []step {
	rbac := client.RbacV1()
	var steps []step
	for _, role := range append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...) {
		old, exists := have[role.Name]
		switch {
		case !exists:
			steps = append(steps, func(ctx context.Context) error {
				_, err := rbac.ClusterRoles().Create(ctx, &role, metav1.CreateOptions{})
				return err
			})
		case role.AggregationRule == nil && !equality.Semantic.DeepEqual(old.Rules, role.Rules):
			steps = append(steps, func(context.Context) error {
				reconcile := reconciliation.ReconcileRoleOptions{
					Role:    reconciliation.ClusterRoleRuleOwner{ClusterRole: &role},
					Client:  reconciliation.ClusterRoleModifier{Client: rbac.ClusterRoles()},
					Confirm: true,
				}
				_, err := reconcile.Run()
				return err
			})
		}
	}
	if len(have) > 0 && len(steps) == 0 {
		return nil // made by an earlier start, bindings and all
	}
	for _, binding := range append(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()...) {
		steps = append(steps, func(ctx context.Context) error {
			_, err := rbac.ClusterRoleBindings().Create(ctx, &binding, metav1.CreateOptions{})
			return err
		})
	}
	for namespace, roles := range bootstrappolicy.NamespaceRoles() {
		for _, role := range roles {
			steps = append(steps, func(ctx context.Context) error {
				_, err := rbac.Roles(namespace).Create(ctx, &role, metav1.CreateOptions{})
				return err
			})
		}
	}
	for namespace, bindings := range bootstrappolicy.NamespaceRoleBindings() {
		for _, binding := range bindings {
			steps = append(steps, func(ctx context.Context) error {
				_, err := rbac.RoleBindings(namespace).Create(ctx, &binding, metav1.CreateOptions{})
				return err
			})
		}
	}
	return steps
}

func bootstrapPriorityClasses(hook genericapiserver.PostStartHookContext) error {
	client, err := kubernetes.NewForConfig(hook.LoopbackClientConfig)
	if err != nil {
		return fmt.Errorf("make priority classes: %w", err)
	}
	var steps []step
	for _, class := range schedulingv1.SystemPriorityClasses() {
		steps = append(steps, func(ctx context.Context) error {
			_, err := client.SchedulingV1().PriorityClasses().Create(ctx, class, metav1.CreateOptions{})
			return err
		})
	}
	return each(hook, steps)
}

// each takes all steps, some at once, and returns the first error.
func each(ctx context.Context, steps []step) error {
	todo := make(chan step)
	errs := make(chan error, len(steps))
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for s := range todo {
				if err := retry(ctx, s); err != nil {
					errs <- err
				}
			}
		})
	}
	for _, s := range steps {
		todo <- s
	}
	close(todo)
	workers.Wait()
	close(errs)
	return <-errs // nil when none was sent
}

// retry takes a step until it succeeds; what exists already is a success.
func retry(ctx context.Context, s step) error {
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	for {
		err := s(ctx)
		if err == nil || apierrors.IsAlreadyExists(err) {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryAfter):
		}
	}
}
