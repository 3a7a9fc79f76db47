"""Trains mapsto's networks that forecast beside the seasonal naive and statsmodels' ETS and ARIMA, on the same backtest, and prints mean absolute errors.

    cargo build --release && python tools/compare_forecast.py VEGA STATSMODELS --models linear,mlp,lstm,tcn,transformer

VEGA is the folder `data` of the npm package `vega-datasets`, STATSMODELS the folder `statsmodels/datasets` of the Python package, both unpacked. Needs
statsmodels and pandas. A backtest's origins are a horizon apart, over the last fifth of each series; the networks learn once from what came before, ETS (with
trend and season, AIC chooses) and ARIMA are fitted anew at every origin with all that came before it.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"


def tables(vega, statsmodels):
    """Name, table with the columns `time` and `y`, season, horizon, context, order of ARIMA and of its season."""
    weather = pd.read_csv(vega / "seattle-weather.csv").rename(columns={"date": "time", "temp_max": "y"})
    yield "Seattle, highest temperature", weather[["time", "y"]], 365, 7, 28, (2, 0, 1), None
    carbon = pd.read_csv(vega / "co2-concentration.csv").rename(columns={"Date": "time", "CO2": "y"})
    yield "CO2, months", carbon[["time", "y"]], 12, 12, 36, (1, 1, 1), (0, 1, 1, 12)
    weeks = pd.read_csv(statsmodels / "co2/co2.csv").rename(columns={"date": "time", "co2": "y"})
    yield "CO2, weeks", weeks, 52, 13, 104, (2, 1, 1), None
    spots = pd.read_csv(statsmodels / "sunspots/sunspots.csv").set_axis(["time", "y"], axis=1)
    yield "sunspots, years", spots, 11, 5, 33, (9, 0, 0), None
    sea = pd.read_csv(statsmodels / "elnino/elnino.csv").melt(id_vars="YEAR", var_name="month", value_name="y")
    sea["time"] = pd.to_datetime(sea["YEAR"].astype(str) + " " + sea["month"], format="%Y %b").dt.strftime("%Y-%m-%d")
    yield "El Nino, months", sea.sort_values("time")[["time", "y"]], 12, 6, 36, (2, 0, 1), (0, 1, 1, 12)


def regular(table):
    """The numbers at steps of equal distance, gaps filled by straight lines; as mapsto fills them."""
    times = table["time"].astype(str)
    if len(times.iloc[0]) < 8:
        return table["y"].to_numpy(float)
    index = pd.to_datetime(times)
    days = (index.diff().mode()[0]).days
    step = "MS" if days > 27 else f"{days}D"
    return pd.Series(table["y"].to_numpy(float), index).asfreq(step).interpolate().to_numpy()


def ets(past, season, horizon):
    """The forecast of the better of two models."""
    choices = [dict(trend="add", damped_trend=True)]
    if 1 < season <= 52 and len(past) > 2 * season:
        choices.append(dict(trend="add", damped_trend=True, seasonal="add", seasonal_periods=season))
    fits = [ETSModel(past, error="add", **choice).fit(disp=False) for choice in choices]
    return min(fits, key=lambda fit: fit.aic).forecast(horizon)


def arima(past, order, seasonal, horizon):
    model = ARIMA(past, order=order, seasonal_order=seasonal or (0, 0, 0, 0))
    return model.fit(method_kwargs={"maxiter": 50}).forecast(horizon)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vega", type=pathlib.Path)
    parser.add_argument("statsmodels", type=pathlib.Path)
    parser.add_argument("--models", default="linear,mlp,lstm,tcn,transformer")
    parser.add_argument("--tables", type=int, nargs="+", help="which of the tables, from 0")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of mapsto's")
    parser.add_argument("--peers", type=int, default=1, help="0 leaves ETS and ARIMA out")
    parser.add_argument("--binary", type=pathlib.Path, default=BINARY)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    models = [name for name in arguments.models.split(",") if name]
    print(f"{'table':30} {'naive':>8} {'ETS':>8} {'ARIMA':>8} " + " ".join(f"{name:>24}" for name in models), flush=True)
    for number, (name, table, season, horizon, context, order, seasonal) in enumerate(tables(arguments.vega, arguments.statsmodels)):
        if arguments.tables and number not in arguments.tables:
            continue
        values = regular(table)
        windows = len(values) - context - horizon + 1
        first = context + windows - max(1, round(windows * 0.2))
        origins = range(first, len(values) - horizon + 1, horizon)
        errors = {"naive": [], "ETS": [], "ARIMA": []}
        for origin in origins:
            past, truth = values[:origin], values[origin : origin + horizon]
            before = np.array([past[origin - season + h % season] for h in range(horizon)])
            errors["naive"].append(np.abs(before - truth))
            if arguments.peers:
                errors["ETS"].append(np.abs(ets(past, season, horizon) - truth))
                errors["ARIMA"].append(np.abs(arima(past, order, seasonal, horizon) - truth))
        means = [f"{np.mean(errors[peer]):8.4f}" if errors[peer] else f"{'-':>8}" for peer in errors]
        print(f"{name:30} {' '.join(means)} ", end="", flush=True)
        for model in models:
            begun = time.time()
            with tempfile.TemporaryDirectory() as folder:
                table.to_csv(pathlib.Path(folder) / "table.csv", index=False)
                settings = [f"season={season}", f"horizon={horizon}", f"context={context}", f"stride={horizon}", *arguments.set]
                settings = [word for setting in settings for word in ("--set", setting)]
                command = [arguments.binary.resolve(), "train", "forecast", "--data", "table.csv", "--target", "y", "--model", model, "--json"]
                out = subprocess.run([*command, *settings], cwd=folder, check=True, capture_output=True, text=True)
            done = json.loads(out.stdout.splitlines()[-1])
            test = done["test"]
            print(f"{test['mae']:9.4f} {100 * test['coverage']:5.1f} % {time.time() - begun:4.0f} s", end=" ", flush=True)
            assert abs(test["naive_mae"] - np.mean(errors["naive"])) < 1e-6 * abs(test["naive_mae"]), (test, np.mean(errors["naive"]), done["origins"], len(origins))
        print(flush=True)


if __name__ == "__main__":
    main()
