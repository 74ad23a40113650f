"""Prints what TensorBoard's own readers find in a directory of event files, as JSON."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as PluginEventAccumulator,
)

directory = sys.argv[1]
everything = {"scalars": 0, "histograms": 0, "images": 0, "tensors": 0}
read = EventAccumulator(directory, size_guidance=everything)
read.Reload()
tags = read.Tags()


def strings(plugin):
    """The tensors of a plugin that are strings, by tag."""
    try:
        of_plugin = read.PluginTagToContent(plugin)
    except KeyError:
        return {}
    return {
        tag: [(event.step, list(event.tensor_proto.string_val)) for event in read.Tensors(tag)]
        for tag in of_plugin
        if tag in tags["tensors"]
    }


# What the web page is served from: old and new summaries alike become tensors.
served = PluginEventAccumulator(directory, size_guidance=everything)
served.Reload()

json.dump(
    {
        "scalars": {
            tag: [[event.wall_time, event.step, event.value] for event in read.Scalars(tag)]
            for tag in tags["scalars"]
        },
        "histograms": {
            tag: [
                {"step": event.step, **vars(event.histogram_value)}
                for event in read.Histograms(tag)
            ]
            for tag in tags["histograms"]
        },
        "images": {
            tag: [
                {
                    "step": event.step,
                    "width": event.width,
                    "height": event.height,
                    "png": event.encoded_image_string.hex(),
                }
                for event in read.Images(tag)
            ]
            for tag in tags["images"]
        },
        "batches": {
            tag: [
                {
                    "step": step,
                    "width": int(width),
                    "height": int(height),
                    "pngs": [png.hex() for png in pngs],
                }
                for step, (width, height, *pngs) in values
            ]
            for tag, values in strings("images").items()
        },
        "texts": {
            tag: [text.decode() for _, (text,) in values]
            for tag, values in strings("text").items()
        },
        "served": {tag: len(served.Tensors(tag)) for tag in served.Tags()["tensors"]},
    },
    sys.stdout,
)
