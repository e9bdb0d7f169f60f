"""The companion process of a training: it delivers, samples the hardware, watches, and notices a death."""
