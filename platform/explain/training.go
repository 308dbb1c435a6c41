package explain

import "slices"

// training are symptoms of programs that train in several processes, which often
// fail since another did.
func training() []symptom {
	const lookAtOthers = `See how the other replicas fare first: this one needs them. To start all again when one fails, give the job the annotation weir-ml.github.io/restart: job.`
	return []symptom{
		{
			reason:   "NotEnoughSlots",
			pattern:  `There are not enough slots available in the system to satisfy the (\d+)`,
			sentence: `WHO asks mpirun for $1 processes, and its hosts have fewer slots.`,
			remedy:   `Ask for as many as Worker.replicas times slotsPerWorker with mpirun's -np, raise one of the two, or let mpirun --oversubscribe.`,
		},
		{
			reason:   "MPIAsRoot",
			pattern:  `(mpirun|prterun|orterun) has detected an attempt to run as root`,
			sentence: `WHO runs mpirun as root, which it refuses.`,
			remedy:   `Set OMPI_ALLOW_RUN_AS_ROOT=1 and OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 in the launcher's environment, or call mpirun --allow-run-as-root.`,
		},
		{
			reason:   "CommandNotFound",
			pattern:  `(?:unable to find the specified executable file[\s\S]*?Executable: |execvp error on file )(\S+)`,
			sentence: `WHO has mpirun start $1, which is no program in the workers' image.`,
			remedy:   `Correct the command after mpirun's options, or use an image that has it. mpirun takes the first word that is no option of its own for the program.`,
		},
		{
			reason:   "SSHNotAnswered",
			pattern:  `ssh: connect to host ([^\s.]+)\S* port \d+: `,
			sentence: `WHO cannot reach $1 by ssh.`,
			remedy:   `See whether that pod runs, and runs sshd: without a command of its own a worker does.`,
		},
		{
			reason:   "SSHKeyRefused",
			pattern:  `(Permission denied \(publickey|Host key verification failed|attempted methods \[none publickey\])`,
			sentence: `WHO is not let in by a worker's sshd ("$1").`,
			remedy:   `Have spec.sshAuthMountPath be .ssh in the home of the user whom launcher and workers run as. Where the image brings its own sshd, it must not mind modes of keys (StrictModes no), nor ssh new hosts (StrictHostKeyChecking no).`,
		},
		{
			reason:   "MPIWorkerNotReached",
			pattern:  `((?:ORTE|PRTE) (?:was unable to reliably start|daemon has unexpectedly failed)|A daemon failed to report back after being spawned|Launch proxy failed)`,
			sentence: `WHO could not start mpirun's daemon on a worker ("$1").`,
			remedy:   `See whether all workers run, and have the same MPI as the launcher. A worker in the hostfile must be called by the name of its pod.`,
		},
		{
			reason:   "NotToldOfPeers",
			pattern:  `environment variable (\w+) expected, but not set`,
			sentence: `WHO trains in several processes, and nobody told it $1.`,
			remedy:   `Run it as a PyTorchJob, or start it with torchrun: both set MASTER_ADDR, MASTER_PORT, WORLD_SIZE and RANK.`,
		},
		{
			reason:   "WrongWorldSize",
			pattern:  `rank < size\. (\d+ vs \d+)`,
			sentence: `WHO has a rank that is not below the number of processes ($1).`,
			remedy:   `Leave RANK and WORLD_SIZE to the job: take them out of the template's env and out of the script.`,
		},
		{
			reason:   "NoGPU",
			pattern:  `(nccl\d? requires at least one CUDA device|ProcessGroupNCCL is only supported with GPUs)`,
			sentence: `WHO lets its processes talk by NCCL, which needs GPUs, and has none.`,
			remedy:   `Use the backend "gloo" in init_process_group, or ask for nvidia.com/gpu in the container's resources.limits.`,
		},
		{
			reason:   "NoGPU",
			pattern:  `(Found no NVIDIA driver on your system|No CUDA GPUs are available|Torch not compiled with CUDA enabled|no CUDA-capable device is detected)`,
			sentence: `WHO wants a GPU and has none ("$1").`,
			remedy:   `Ask for nvidia.com/gpu in the container's resources.limits, or train on the CPU: .to("cpu") in place of .cuda().`,
		},
		{
			reason:   "SharedMemoryFull",
			pattern:  `(out of shared memory|insufficient shared memory)`,
			sentence: `WHO used more shared memory than the container has: processes that load data pass it through /dev/shm.`,
			remedy:   `Mount an emptyDir with medium: Memory at /dev/shm, or load with num_workers=0.`,
		},
		{
			reason:   "OutOfMemory",
			pattern:  `(?m)^(?:\[rank\d+\]: )?((?:[\w.]*MemoryError\b.*)|.*std::bad_alloc.*)$`,
			sentence: `WHO asked for more memory than there is: $1`,
			remedy:   `Use smaller batches, or load the data piece by piece. Where the container has a limit, raise resources.limits.memory.`,
		},
		{
			reason:   "LossIsNaN",
			pattern:  `(?i)(returned nan values in its \d+th output|Invalid loss, terminating training|loss is nan\b.*|Tensor had (?:NaN|Inf) values|Input (?:[Xy] )?contains NaN)`,
			sentence: `WHO computed what is no number any more ("$1").`,
			remedy:   `Lower the learning rate, clip gradients, and look for NaN, zero divisors and logarithms of 0 in the data and the loss.`,
		},
		{
			reason:   "FileNotFound",
			pattern:  `FileNotFoundError: \[Errno 2\] No such file or directory: '([^']+)'`,
			sentence: `WHO opens $1, which is no file in its image or volumes.`,
			remedy:   `Correct the path, or bring the file along: in a volume, or from a folder opened with weir up --share.`,
		},
		{
			reason:   "PeersMissing",
			pattern:  `waiting for clients\. (\d+/\d+) clients joined`,
			sentence: `WHO waited for its peers, and only $1 came.`,
			remedy:   `See why the others do not run. If all do, a WORLD_SIZE in the template or the script counts more than there are: leave it to the job.`,
		},
		{
			reason:   "PeersMissing",
			pattern:  `(RendezvousTimeoutError)`,
			sentence: `WHO waited for others to join torchrun's rendezvous, and too few came.`,
			remedy:   `See why the others do not run. If all do, --nnodes (PET_NNODES) asks for more than there are, or they meet at another --rdzv-id or endpoint.`,
		},
		{
			reason:   "PeersMissing",
			pattern:  `(DEADLINE_EXCEEDED)[\s\S]*CoordinationService/RegisterTask`,
			sentence: `WHO waited in jax.distributed.initialize for the other processes, and they did not all come in time.`,
			remedy:   `See why the others do not run, replica 0 first: it coordinates. Leave num_processes, process_id and coordinator_address to the job. Slow starts bear a longer initialization_timeout.`,
		},
		{
			reason:   "PeersMissing",
			pattern:  `(tracker\.cc:\d+\|[\d:]+\]: Failed to accept connection)`,
			sentence: `WHO ran xgboost's tracker and waited for workers, and they did not all come.`,
			remedy:   `See why the workers do not run, and whether the tracker's n_workers is their number (WORLD_SIZE).`,
		},
		{
			reason:   "MasterNotReached",
			pattern:  `Failed to connect to the tracker\.[\s\S]*?Failed to connect to (\S+)`,
			sentence: `WHO found no xgboost tracker at $1; the master runs it.`,
			remedy:   `See whether the master runs, and starts the tracker at MASTER_ADDR and MASTER_PORT before it waits for the workers.`,
		},
		{
			reason:   "MasterNotReached",
			pattern:  `client socket has (?:timed out after \w+|failed to connect)[^(]*\(([^)]+)\)`,
			sentence: `WHO found no master at $1 in the time it had.`,
			remedy:   `See whether the replica of that name runs: it must come to init_process_group, or torchrun, while the others wait.`,
		},
		{
			reason:   "PeerTimedOut",
			pattern:  `(Timed out waiting \d+ms for (?:recv|send) operation|Watchdog caught collective operation timeout|wait timeout after \d+ms, keys)`,
			sentence: `WHO waited for a peer in the midst of training, which did not come ("$1").`,
			remedy:   `See what the other replicas did last. One that has less data ends earlier: give all the same number of steps. Slow steps bear a longer timeout in init_process_group.`,
		},
		{
			reason:   "PeerLost",
			pattern:  `(Connection closed by peer|Connection reset by peer|Connection closed by remote peer|ncclRemoteError|Collective ops is aborted by|tasks are unhealthy|distributed service detected fatal errors|Horovod has been shut down)`,
			sentence: `WHO lost a peer ("$1").`,
			remedy:   lookAtOthers,
		},
		{
			reason:   "PeerLost",
			pattern:  `BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES[\s\S]*?RUNNING AT (\S+)`,
			sentence: `WHO saw a process end badly that mpirun had started on $1.`,
			remedy:   `Read what that process printed; it is in the launcher's output. Killed (signal 9) is most often memory: raise the workers' limit.`,
		},
	}
}

// follows is whether a replica fails in such a way since another does, which
// then says more.
func follows(reason string) bool {
	return slices.Contains([]string{"PeersMissing", "MasterNotReached", "PeerTimedOut", "PeerLost", "MPIWorkerNotReached", "SSHNotAnswered"}, reason)
}
