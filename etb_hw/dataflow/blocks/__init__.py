"""One file a block: parameters, streams, cycles, resources, FINN node, RTL instance, behaviour."""
