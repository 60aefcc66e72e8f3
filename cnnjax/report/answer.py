"""The answer in three sentences, computed from the numbers.

A winner is named only where its interval lies clear of every other's. Intervals that touch are a
draw, and with one seed there is no interval, so that nothing is more than an observation.
"""

import math
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup

from cnnjax.report import palette, reading, words


class Contest(NamedTuple):
    """Who leads a column of figures.

    Attributes:
      best: The row with the highest mean.
      level: The rows whose intervals overlap the best's, without it, best first.
      known: Whether intervals decide; otherwise hardly any row has one.
      left_out: Rows of one seed, which have no interval, beside several that have one.
    """

    best: pd.Series
    level: pd.DataFrame
    known: bool
    left_out: pd.DataFrame

    @property
    def clear(self) -> bool:
        """Whether the best stands clear of all others."""
        return self.known and self.level.empty


def contest(frame: pd.DataFrame, value: str) -> Contest | None:
    """Finds the row with the highest `value` and those that cannot be told from it.

    Where several rows have an interval, those without one take no part.

    Args:
      frame: Rows with the columns `value` and `value`_half.
      value: The column in which more is better.

    Returns:
      The leader and who is level with it, or None where no row has a value.
    """
    rows = frame[frame[value].notna()].sort_values(value, ascending=False, kind="stable")
    if rows.empty:
        return None
    half = f"{value}_half"
    sure = rows[half].notna()
    known = bool(sure.all() or sure.sum() > 1)
    left_out = rows[~sure & known]
    rows = rows[sure | (not known)]
    best, rest = rows.iloc[0], rows.iloc[1:]
    reach = rest[value] + rest[half].fillna(0.0)
    floor = best[value] - (0.0 if math.isnan(best[half]) else best[half])
    return Contest(best, rest[reach >= floor], known, left_out)


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Says whether two intervals, each (mean, half width), have a point in common.

    >>> overlap((0.9, 0.02), (0.93, 0.01)), overlap((0.9, 0.01), (0.93, 0.01))
    (True, False)
    """
    low, high = sorted((one, other))
    return bool(low[0] + low[1] >= high[0] - high[1])


def sentences(study: reading.Study) -> list[Markup]:
    """Returns the answer, a sentence an item; fewer where the data say less.

    Args:
      study: What was read.

    Returns:
      Sentences as safe HTML: labels are escaped, the decisive words are in bold.
    """
    if study.routes.empty:
        if study.diverged:
            return [Markup("Every run diverged, so there is nothing to answer with.")]
        return [Markup("No run has finished yet, so there is nothing to answer with.")]
    answer = [_untouched(study), _published(study), _corrupted(study)]
    answer += [_families(study), _keepers(study), _cost(study)]
    return [sentence for sentence in answer if sentence][:3]


def published(study: reading.Study) -> pd.DataFrame:
    """Returns the published figures of config.json beside the study's own.

    An item of `published` has a label, an error or an accuracy on a test set in percent, a source
    and a dataset. It belongs to the row of the same label; where there are several such rows, as in
    a sweep of strengths, it belongs to none. Items of data sets that were not measured are left
    out, and all of them where something else than the data set's own test set was measured.

    Returns:
      Columns label, dataset, source, error (share of one), entry, ours and half (of the error; NaN
      where the study has no such row), seeds.
    """
    rows = []
    ours = study.routes
    for item in (study.config.get("published") if study.split == "test" else None) or ():
        error = item.get("error", 100.0 - float(item.get("accuracy", "nan")))
        label, dataset = str(item.get("label", "")), str(item.get("dataset") or "")
        match = ours[ours["label"].str.casefold() == label.casefold()]
        if dataset:
            if dataset not in set(ours["dataset"]):
                continue
            match = match[match["dataset"] == dataset]
        found: dict[Any, Any] = {"entry": "", "accuracy": math.nan, "accuracy_half": math.nan}
        if len(match) == 1:
            found = match.iloc[0].to_dict()
        rows.append(
            {
                "label": label,
                "dataset": dataset,
                "source": str(item.get("source", "")),
                "error": float(error) / 100,
                "entry": found["entry"],
                "ours": 1 - found["accuracy"],
                "half": found["accuracy_half"],
                "seeds": found.get("seeds", 0),
            }
        )
    columns = ["label", "dataset", "source", "error", "entry", "ours", "half", "seeds"]
    return pd.DataFrame(rows, columns=columns)


def digits(study: reading.Study) -> int:
    """Returns how many decimals a percentage deserves, so that one error shows."""
    return 2 if study.routes["examples"].max() >= 5000 else 1


def _untouched(study: reading.Study) -> Markup:
    parts = []
    for dataset, own in reading.by_data(study):
        found = contest(own.routes, "accuracy")
        if found is not None:
            parts.append(_on(dataset) + _winner(found, own))
    return _sentence("Untouched", Markup("; ").join(parts)) if parts else Markup()


def _winner(found: Contest, study: reading.Study) -> Markup:
    rows, best, decimals = _taking_part(study.routes, found), found.best, digits(study)
    examples = f"{int(best['examples']):,} {study.split} examples"
    score = words.with_interval(best["accuracy"], best["accuracy_half"], digits=decimals)
    # A share of so many examples is read more easily as a number of errors, where they are counted.
    missed = " ± ".join(filter(None, words.counted(best["errors"], best["errors_half"])))
    count = f"{missed} errors; n = {int(best['seeds'])}"
    if len(rows) == 1:
        return Markup("<b>{}</b>, the only row, gets {} of {} right ({})").format(
            best["entry"], score, examples, count
        )
    none = rows[rows["family"] == "none"]
    base = contest(none, "accuracy") if len(none) < len(rows) else None
    gain = Markup()
    if base is not None:
        other = base.best
        if best["family"] == "none":
            routed = contest(rows[rows["family"] != "none"], "accuracy")
            if routed is not None:
                gain = Markup("; it takes no route, and the best that does, {}, gets {}").format(
                    routed.best["entry"],
                    words.with_interval(
                        routed.best["accuracy"], routed.best["accuracy_half"], digits=decimals
                    ),
                )
        else:
            # The difference of what is printed, so that a reader finds it again.
            high, low = (round(100 * row["accuracy"], decimals) for row in (best, other))
            subject = Markup("that is" if found.clear else "{} is").format(best["entry"])
            gain = Markup("; {} {} points above no route ({}, {}{})").format(
                subject,
                f"{high - low:.{decimals}f}",
                other["entry"],
                words.with_interval(other["accuracy"], other["accuracy_half"], digits=decimals),
                _sure(best, other, "accuracy"),
            )
    else:
        second = rows[rows["entry"] != best["entry"]].sort_values("accuracy").iloc[-1]
        gain = Markup("; next is {} with {}").format(
            second["entry"],
            words.with_interval(second["accuracy"], second["accuracy_half"], digits=decimals),
        )
    gain += _left_out(found.left_out)
    if len(set(rows["train_size"])) > 1:
        gain += Markup("; not all rows learned from as many examples")
    if found.clear:
        return Markup("<b>{}</b> is right most often, on {} of {} ({}){}").format(
            best["entry"], score, examples, count, gain
        )
    if not found.known:
        return Markup(
            "<b>no clear winner</b> can be named, since single seeds give no interval; the highest "
            "accuracy is {}'s, {} of {}{}"
        ).format(best["entry"], score, examples, gain)
    return Markup(
        "there is <b>no clear winner</b>: {} has the highest mean, {} of {} ({}), but its interval "
        "overlaps {}{}"
    ).format(best["entry"], score, examples, count, _theirs(found.level), gain)


def _families(study: reading.Study) -> Markup:
    """What each family's best row gets and costs, on average over the transformations."""
    parts = []
    for dataset, own in reading.by_data(study):
        got = reading.overall(own)[["transformed", "transformed_half"]]
        rows = own.routes.merge(got, left_on="entry", right_index=True)
        best = rows[rows["entry"].isin(reading.best_of_families(own).values())]
        if len(best) < 2:
            continue
        none = best[best["family"] == "none"]
        base = None if none.empty else none.iloc[0]
        lead = Markup("averaged over {}, ").format(words.listed(list(own.transformations)))
        # The first says what they all do.
        verbs = ["is right on ", *[""] * (len(best) - 1)]
        gains = [
            _gain(verb, row, base) for verb, (_, row) in zip(verbs, best.iterrows(), strict=True)
        ]
        parts.append(_on(dataset) + lead + _join(gains))
    return _sentence("Transformed", Markup("; ").join(parts)) if parts else Markup()


def _gain(verb: str, row: pd.Series, base: pd.Series | None) -> Markup:
    sure = ""
    if base is not None and row["family"] != "none":
        pairs = [(each["transformed"], each["transformed_half"]) for each in (row, base)]
        known = not any(math.isnan(half) for _, half in pairs)
        sure = ", which is no clear change" if known and overlap(*pairs) else ""
    after = "" if row["features"] in ("", "none") else " after its features"
    return Markup("<b>{}</b> {}{}{} ({}; {} parameters, {} MACs{}, {} of training)").format(
        palette.family_name(row["family"]),
        verb,
        words.with_interval(row["transformed"], row["transformed_half"]),
        sure,
        row["entry"],
        words.short(row["parameters"]),
        words.short(row["multiply_accumulates"]),
        after,
        words.seconds(row["training_seconds"]),
    )


def _corrupted(study: reading.Study) -> Markup:
    """Who makes the fewest errors on corrupted images, beside the plain network."""
    parts = []
    for dataset, own in reading.by_data(study):
        rows = own.corruptions[own.corruptions["corruption"] == ""]
        # Fewer are better, where a contest looks for the most.
        rows = rows.assign(spared=-rows["error"], spared_half=rows["error_half"])
        found = contest(rows, "spared")
        if found is None or len(rows) < 2:
            continue
        rows, best = _taking_part(rows, found), found.best
        names = own.corruptions["corruption"]
        count = names[names != ""].nunique()
        over = f"{count} corruptions" if count > 1 else "one corruption"
        lead = _on(dataset) + Markup("over {} of rising severity, ").format(over)
        score = words.with_interval(best["error"], best["error_half"], digits=0)
        errors = f"{score} of the errors of the network without a route (n = {int(best['n'])})"
        if found.clear:
            text = Markup("<b>{}</b> makes the fewest errors, {}").format(best["entry"], errors)
            second = rows[rows["entry"] != best["entry"]].sort_values("error").iloc[0]
            text += Markup("; next is {} with {}").format(
                second["entry"],
                words.with_interval(second["error"], second["error_half"], digits=0),
            )
        elif found.known:
            text = Markup(
                "there is <b>no clear winner</b>: {} makes the fewest errors, {}, but its interval "
                "overlaps {}"
            ).format(best["entry"], errors, _theirs(found.level))
        else:
            text = Markup(
                "<b>no clear winner</b> can be named, since single seeds give no interval; {} "
                "makes the fewest errors, {}"
            ).format(best["entry"], errors)
        parts.append(lead + text + _left_out(found.left_out))
    return _sentence("Corrupted", Markup("; ").join(parts)) if parts else Markup()


def _keepers(study: reading.Study) -> Markup:
    parts = [
        _on(dataset) + Markup("; ").join(clauses)
        for dataset, own in reading.by_data(study)
        if (clauses := _kept(own, _areas(own)))
    ]
    return _sentence("One by one", Markup("; ").join(parts)) if parts else Markup()


def _kept(study: reading.Study, trained: pd.DataFrame) -> list[Markup]:
    """Says who keeps most under which transformation."""
    if len(set(trained["entry"])) == 1:
        return _alone(study, trained)
    wins: dict[str, list[str]] = {}
    draws, single, left_out = [], False, pd.DataFrame()
    for name in study.transformations:
        rows = trained[trained["transformation"] == name]
        found = contest(rows, "kept")
        if found is None:
            continue
        best, left_out = found.best, pd.concat([left_out, found.left_out])
        kept = words.with_interval(best["kept"], best["kept_half"])
        if found.clear and len(rows) > 1:
            wins.setdefault(best["entry"], []).append(f"{name} ({kept})")
        else:
            single = single or not found.known
            draws.append(_draw(name, best["entry"], kept, found.level))
    clauses = []
    if wins:
        untouched = study.routes.set_index("entry")["accuracy"]
        names = [
            Markup("<b>{}</b> ({} untouched) against {}").format(
                entry, words.percent(untouched[entry], digits=digits(study)), words.listed(against)
            )
            for entry, against in wins.items()
        ]
        lead = Markup("the largest share of its untouched accuracy is kept by {}")
        clauses.append(lead.format(_join(names)))
    if draws:
        lead = Markup("{} <b>no clear winner</b> {}")
        why = "single seeds give no interval, so there is" if single else "there is"
        clauses.append(lead.format(why, _join(draws)))
    if clauses:
        clauses[-1] += _left_out(left_out)
    return clauses


def _alone(study: reading.Study, trained: pd.DataFrame) -> list[Markup]:
    """What the only row keeps, where there is nobody to win against."""
    kept = trained[trained["transformation"].isin(study.transformations) & trained["kept"].notna()]
    if kept.empty:
        return []
    shares = [
        f"{words.with_interval(row['kept'], row['kept_half'])} against {row['transformation']}"
        for _, row in kept.iterrows()
    ]
    entry = str(kept.iloc[0]["entry"])
    return [Markup("<b>{}</b> keeps {}").format(entry, words.listed(shares))]


def _draw(name: str, entry: str, kept: str, level: pd.DataFrame) -> Markup:
    if level.empty:
        return Markup("against {} ({} keeps {})").format(name, entry, kept)
    # Names of all would make the sentence a table; the table stands below it.
    others = str(level.iloc[0]["entry"]) if len(level) == 1 else f"{len(level)} others"
    return Markup("against {} ({} keeps {}, level with {})").format(name, entry, kept, others)


def _published(study: reading.Study) -> Markup:
    table = published(study)
    table = table[table["ours"].notna()]
    if table.empty:
        return Markup()
    clauses = []
    for verdict, rows in (
        ("lower than published", table[table["ours"] + table["half"] < table["error"]]),
        ("higher than published", table[table["ours"] - table["half"] > table["error"]]),
    ):
        if len(rows):
            names = words.listed([_pair(row) for _, row in rows.iterrows()])
            clauses.append(Markup("the error is {} for {}").format(verdict, names))
    inside = table[(table["ours"] - table["error"]).abs() <= table["half"]]
    if len(inside):
        names = words.listed([_pair(row) for _, row in inside.iterrows()])
        clauses.append(Markup("the published figure lies within our interval for {}").format(names))
    single = table[table["half"].isna()]
    if len(single):
        names = words.listed([_pair(row) for _, row in single.iterrows()])
        clauses.append(Markup("one seed, without an interval, gives {}").format(names))
    text = Markup("; ").join(clauses)
    return _sentence("Published", "ours against published: " + text)


def _pair(row: pd.Series) -> str:
    ours = words.with_interval(row["ours"], row["half"], digits=2)
    return f"{row['entry']}: {ours} against {words.percent(row['error'], digits=2)}"


def _cost(study: reading.Study) -> Markup:
    told = [(dataset, _prices(own)) for dataset, own in reading.by_data(study)]
    parts = [_on(dataset) + text for dataset, text in told if text]
    return _sentence("Cost", Markup("; ").join(parts)) if parts else Markup()


def _prices(study: reading.Study) -> Markup:
    """What the best row costs, and no route and the smallest beside it."""
    found = contest(study.routes, "accuracy")
    if found is None or len(study.routes) == 1:
        return Markup()
    text = _costs(study, [str(found.best["entry"])])
    small = study.routes.sort_values("parameters", kind="stable").iloc[0]
    if small["entry"] != found.best["entry"] and small["parameters"] < found.best["parameters"]:
        text += Markup("; the smallest, {}, has {} parameters and gets {}").format(
            small["entry"],
            words.amount(small["parameters"]),
            words.with_interval(small["accuracy"], small["accuracy_half"], digits=digits(study)),
        )
    return text


def _costs(study: reading.Study, entries: list[str]) -> Markup:
    none = study.routes[study.routes["family"] == "none"]
    base = contest(none, "accuracy")
    clauses = []
    for entry in entries:
        row = study.routes[study.routes["entry"] == entry].iloc[0]
        clauses.append(Markup("<b>{}</b> costs {}").format(entry, _bill(row)))
    if base is not None and base.best["entry"] not in entries:
        clauses.append(
            Markup("no route ({}) costs {}").format(base.best["entry"], _bill(base.best))
        )
    return Markup(_join(clauses))


def _bill(row: pd.Series) -> str:
    # What comes before the network is only known by the time it takes.
    uncounted = "" if row["features"] in ("", "none") else " (its features not counted)"
    return (
        f"{words.short(row['parameters'])} parameters, "
        f"{words.short(row['multiply_accumulates'])} multiply–accumulates{uncounted} "
        f"and {words.seconds(row['training_seconds'])} of training"
    )


def _on(dataset: str) -> Markup:
    return Markup("on {}, ").format(dataset) if dataset else Markup()


def _areas(study: reading.Study) -> pd.DataFrame:
    return study.areas[~study.areas["initial"].astype(bool)]


def _sure(best: pd.Series, other: pd.Series, value: str) -> str:
    pairs = [(row[value], row[f"{value}_half"]) for row in (best, other)]
    if any(math.isnan(half) for _, half in pairs):
        return ""
    return "; the intervals overlap" if overlap(*pairs) else "; the intervals do not overlap"


def _theirs(level: pd.DataFrame) -> str:
    shown, rest = level["entry"].head(2).tolist(), len(level) - 2
    return words.listed([*shown, *([_others(rest)] if rest > 0 else [])])


def _taking_part(rows: pd.DataFrame, found: Contest) -> pd.DataFrame:
    return rows[~rows["entry"].isin(found.left_out["entry"])]


def _left_out(rows: pd.DataFrame) -> Markup:
    """Says who took no part."""
    if rows.empty:
        return Markup()
    names = _theirs(rows.drop_duplicates("entry"))
    return Markup("; left out for having one seed: {}").format(names)


def _others(count: int) -> str:
    return f"{count} more" if count > 1 else "one more"


def _join(parts: list[Markup]) -> Markup:
    if len(parts) == 1:
        return parts[0]
    return Markup(", ").join(parts[:-1]) + Markup(", and ") + parts[-1]


def _sentence(about: str, text: Markup) -> Markup:
    """Puts what a sentence is about in front of it, and makes its first letter a capital."""
    plain = str(text)
    if plain.startswith("<b>no clear "):
        text = Markup(plain.replace("<b>n", "<b>N", 1))
    elif not plain.startswith("<"):  # with a name, which stays as it is
        text = Markup(plain[0].upper() + plain[1:])
    return Markup('<span class="about">{}</span> {}.').format(about, text)
