package apiserver

import (
	"maps"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapifilters "k8s.io/apiserver/pkg/endpoints/filters"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/util/notfoundhandler"
	aggregatorapiserver "k8s.io/kube-aggregator/pkg/apiserver"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	controlplaneapiserver "k8s.io/kubernetes/pkg/controlplane/apiserver"
)

// chain makes the three servers, each of which passes on what it does not know:
// the aggregator to the server of Kubernetes' own kinds, and that to the one of the
// kinds that users define. It is upstream's app.CreateServerChain, but that the last
// two document their kinds when asked.
func chain(config *app.Config) (*aggregatorapiserver.APIAggregator, error) {
	own, defined := config.KubeAPIs.ControlPlane.Generic, config.ApiExtensions.GenericConfig
	own.SkipOpenAPIInstallation, defined.SkipOpenAPIInstallation = true, true
	c, err := config.Complete()
	if err != nil {
		return nil, err
	}

	nobody := notfoundhandler.New(own.Serializer, genericapifilters.NoMuxAndDiscoveryIncompleteKey)
	kinds, err := c.ApiExtensions.New(genericapiserver.NewEmptyDelegateWithCustomHandler(nobody))
	if err != nil {
		return nil, err
	}
	kube, err := c.KubeAPIs.New(kinds.GenericAPIServer)
	if err != nil {
		return nil, err
	}
	definitions := kinds.Informers.Apiextensions().V1().CustomResourceDefinitions()
	enabled := c.ApiExtensions.GenericConfig.MergedResourceConfig.ResourceEnabled(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	aggregator, err := controlplaneapiserver.CreateAggregatorServer(c.Aggregator, kube.ControlPlane.GenericAPIServer, definitions, enabled, priorities())
	if err != nil {
		return nil, err
	}

	document(kube.ControlPlane.GenericAPIServer, newRoutes(kube.ControlPlane.GenericAPIServer, own))
	document(kinds.GenericAPIServer, &kindsBeside{newRoutes(kinds.GenericAPIServer, &defined.Config), definitions.Lister()})
	return aggregator, nil
}

// priorities say which group, and which version of it, a client takes that has not
// said which. Those of kube-apiserver's app are not to be had from it; without one,
// the aggregator would not know of a group.
func priorities() map[schema.GroupVersion]controlplaneapiserver.APIServicePriority {
	all := controlplaneapiserver.DefaultGenericAPIServicePriorities()
	maps.Copy(all, map[schema.GroupVersion]controlplaneapiserver.APIServicePriority{
		{Group: "", Version: "v1"}:                       {Group: 18000, Version: 1},
		{Group: "apps", Version: "v1"}:                   {Group: 17800, Version: 15},
		{Group: "autoscaling", Version: "v1"}:            {Group: 17500, Version: 15},
		{Group: "autoscaling", Version: "v2"}:            {Group: 17500, Version: 30},
		{Group: "batch", Version: "v1"}:                  {Group: 17400, Version: 15},
		{Group: "networking.k8s.io", Version: "v1"}:      {Group: 17200, Version: 15},
		{Group: "networking.k8s.io", Version: "v1beta1"}: {Group: 17200, Version: 9},
		{Group: "policy", Version: "v1"}:                 {Group: 17100, Version: 15},
		{Group: "storage.k8s.io", Version: "v1"}:         {Group: 16800, Version: 15},
		{Group: "storage.k8s.io", Version: "v1beta1"}:    {Group: 16800, Version: 9},
		{Group: "scheduling.k8s.io", Version: "v1"}:      {Group: 16600, Version: 15},
		{Group: "node.k8s.io", Version: "v1"}:            {Group: 16300, Version: 15},
		{Group: "resource.k8s.io", Version: "v1"}:        {Group: 16200, Version: 21},
		{Group: "resource.k8s.io", Version: "v1beta2"}:   {Group: 16200, Version: 15},
		{Group: "resource.k8s.io", Version: "v1beta1"}:   {Group: 16200, Version: 9},
	})
	return all
}
