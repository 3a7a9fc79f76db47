#!/usr/bin/env python3
"""Forward passes of one example, timed in PyTorch or in ONNX Runtime on the CPU.

    python torch_inference.py [--framework torch|onnxruntime] [--threads N] [--seconds S] [WORKLOAD ...]

The networks are those of torch_bench.py, evaluating: batch normalisation uses its running statistics. ONNX Runtime gets
the very network, exported, folds the normalisation into the convolutions, and must give PyTorch's outputs. One JSON line
a workload, as torch_bench.py's, with the median wall time of a pass in milliseconds.
Needs: pip install torch numpy, and for ONNX Runtime: onnx onnxscript onnxruntime
"""
import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time

import numpy as np

WARM_UP, MOST_PASSES = 5, 20000


def noise(*shape):
    return np.random.default_rng(1).standard_normal(shape, dtype=np.float32)


def tokens(*shape):
    return np.random.default_rng(2).integers(64, size=shape)


INPUTS = {"mlp": noise(1, 784), "cnn": noise(1, 3, 32, 32), "resnet18": noise(1, 3, 32, 32)}
INPUTS |= {"lstm_lm": tokens(1, 64), "transformer_lm": tokens(1, 64)}


def network(name):
    """The network, which evaluates, and its input."""
    import torch
    import torch_bench
    torch.manual_seed(0)
    model, _, _ = getattr(torch_bench, name)()
    return model.eval(), torch.from_numpy(INPUTS[name])


def timed(forward, seconds):
    """The times of forward passes in seconds, the shortest first."""
    for _ in range(WARM_UP):
        forward()
    times, start = [], time.perf_counter()
    while not times or (time.perf_counter() - start < seconds and len(times) < MOST_PASSES):
        t = time.perf_counter()
        forward()
        times.append(time.perf_counter() - t)
    return sorted(times)


def in_torch(name, threads, seconds):
    """The times of a pass, and the framework's name."""
    import torch
    torch.set_num_threads(threads)
    model, x = network(name)
    with torch.inference_mode():
        return timed(lambda: model(x), seconds), "torch " + torch.__version__


def export(name, path, outputs):
    """Writes the network as ONNX, and what PyTorch makes of the input."""
    import torch
    model, x = network(name)
    torch.onnx.export(model, (x,), path, dynamo=True, external_data=False, verbose=False)
    with torch.inference_mode():
        np.save(outputs, model(x).numpy())


def in_onnxruntime(name, threads, seconds):
    """The times of a pass, and the framework's name."""
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        model, outputs = os.path.join(folder, "model.onnx"), os.path.join(folder, "outputs.npy")
        # In a process of its own: neither PyTorch's memory nor its threads are ONNX Runtime's.
        exporter = multiprocessing.get_context("spawn").Process(target=export, args=(name, model, outputs))
        exporter.start()
        exporter.join()
        if exporter.exitcode:
            raise SystemExit(f"{name}: the export to ONNX failed, as said above")
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        expected = np.load(outputs)
    # Bound once, as a program that counts microseconds would: no copy from and to NumPy with each pass.
    bound = session.io_binding()
    x = ort.OrtValue.ortvalue_from_numpy(INPUTS[name])
    bound.bind_ortvalue_input(session.get_inputs()[0].name, x)
    bound.bind_output(session.get_outputs()[0].name)
    session.run_with_iobinding(bound)
    np.testing.assert_allclose(bound.copy_outputs_to_cpu()[0], expected, rtol=1e-3, atol=1e-4, err_msg=name)
    return timed(lambda: session.run_with_iobinding(bound), seconds), "onnxruntime " + ort.__version__


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(INPUTS)}; all if none is named")
    ap.add_argument("--framework", choices=["torch", "onnxruntime"], default="torch")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seconds", type=float, default=3.0)
    a = ap.parse_args()
    if wrong := [name for name in a.workloads if name not in INPUTS]:
        ap.error(f"no inference of {', '.join(wrong)}; there are {', '.join(INPUTS)}")
    for name in a.workloads or INPUTS:
        run = {"torch": in_torch, "onnxruntime": in_onnxruntime}[a.framework]
        times, framework = run(name, a.threads, a.seconds)
        print(json.dumps({"workload": name, "mode": "inference", "median_ms": round(times[len(times) // 2] * 1e3, 4),
                          "steps": len(times), "threads": a.threads,
                          "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                          "framework": framework}), flush=True)


if __name__ == "__main__":
    main()
