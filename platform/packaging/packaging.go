// Package packaging makes a job of a folder: it reads which files belong to a
// program, carries them to S3 under the name of what is in them, and writes the
// manifest that fetches them again and runs the program. No image is built.
//
//	folder ──Read──▶ Folder ──Pack──▶ Bundle ──Store.Put──▶ s3://weir-code/<sha256>.tar
//	                                                              ▲
//	Run ──Manifest──▶ Job, TFJob, …, whose pods run bootstrap.py ─┘
package packaging

// Buckets that runs use.
const (
	// CodeBucket holds bundles, each called by its digest.
	CodeBucket = "weir-code"
	// OutputBucket holds what runs leave behind, by namespace and run.
	OutputBucket = "weir-outputs"
)
