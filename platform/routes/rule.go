package routes

import (
	"net/http"

	authorization "k8s.io/api/authorization/v1"
)

// A Rule says who may use a route.
type Rule struct {
	name   string
	review func(*http.Request) authorization.SubjectAccessReviewSpec
}

var (
	// Anyone may, signed in or not.
	Anyone = &Rule{name: "anyone"}
	// SignedIn is whoever is signed in, for what is theirs alone.
	SignedIn = &Rule{name: "signed in"}
	// OwnRights is whoever is signed in, since the handler does all that it does
	// as them, and the API server says what they may.
	OwnRights = &Rule{name: "own rights"}
)

// May is for those who may do something in the cluster: the attributes of a
// review, without the caller.
func May(do func(*http.Request) authorization.SubjectAccessReviewSpec) *Rule {
	return &Rule{name: "may", review: do}
}

// MayWithPod is for those who may do something with a part of the pod that a route's
// {namespace} and {pod} name; without {pod}, with that of all pods in the namespace.
func MayWithPod(verb, subresource string) *Rule {
	return May(func(r *http.Request) authorization.SubjectAccessReviewSpec {
		return authorization.SubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
			Verb: verb, Resource: "pods", Subresource: subresource, Namespace: r.PathValue("namespace"), Name: r.PathValue("pod"),
		}}
	})
}

// Review is what the cluster must be asked, and whether it must be.
func (r *Rule) Review(q *http.Request) (authorization.SubjectAccessReviewSpec, bool) {
	if r.review == nil {
		return authorization.SubjectAccessReviewSpec{}, false
	}
	return r.review(q), true
}

// String says it in a word.
func (r *Rule) String() string { return r.name }
