"""Works out pi, each process its share of the sum, and adds the shares up."""

from mpi4py import MPI

world = MPI.COMM_WORLD
strips = 1_000_000
width = 1 / strips
share = sum(4 / (1 + ((i + 0.5) * width) ** 2) for i in range(world.rank, strips, world.size)) * width
hosts = world.gather(MPI.Get_processor_name())
pi = world.allreduce(share)
if world.rank == 0:
    print(f"pi is {pi:.6f} by {world.size} processes on {', '.join(sorted(set(hosts)))}", flush=True)
