SELECT shard, epoch, seq FROM observer_offset WHERE sink = %s
