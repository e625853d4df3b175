import importlib.util
from pathlib import Path

import nbformat
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "clean_notebooks.py"
spec = importlib.util.spec_from_file_location("clean_notebooks", SCRIPT)
clean_notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clean_notebooks)

new_output = nbformat.v4.new_output


def cleaned(*outputs):
    source = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", id="a")])
    executed = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("epochs = 1", metadata={"tags": ["injected-parameters"]}),
            nbformat.v4.new_code_cell("1", id="a", outputs=list(outputs), metadata={"papermill": {"duration": 3}}),
        ],
        metadata={"widgets": {"state": 1}, "papermill": {"duration": 3}},
    )
    return clean_notebooks.clean(executed, source)


def test_text_and_pictures_stay_audio_widgets_and_progress_go():
    book = cleaned(
        new_output("stream", name="stdout", text="WER 0.15\n"),
        new_output("stream", name="stderr", text="10%|█ | 1/10"),
        new_output("display_data", data={"text/plain": "VBox()", clean_notebooks.WIDGET: {"model_id": "1"}}),
        new_output("display_data", data={"text/plain": "<IPython.lib.display.Audio object>", "text/html": "<audio/>"}),
        new_output("display_data", data={"image/png": "abc", "text/plain": "<Figure>"}, metadata={"needs": "nothing"}),
    )
    (cell,) = book.cells
    assert [o.get("text") or list(o.data) for o in cell.outputs] == ["WER 0.15\n", ["image/png", "text/plain"]]
    assert cell.execution_count == 1 and cell.metadata == {} and book.metadata == {}


def test_sound_inside_a_table_goes_and_the_table_stays():
    markup = '<table><tr><td>1</td><td><audio src="data:audio/mpeg;base64,AAAA" controls></audio></td></tr></table>'
    book = cleaned(new_output("execute_result", data={"text/html": markup, "text/plain": "1"}, execution_count=9))
    (output,) = book.cells[0].outputs
    assert "data:audio" not in output.data["text/html"] and "<td>1</td>" in output.data["text/html"]
    assert output.execution_count == 1


@pytest.mark.parametrize("text", ["/home/anna/corpus/1.wav", "saved to /tmp/x", "token hf_" + "a" * 30])
def test_a_path_of_a_machine_or_a_token_is_refused(text):
    with pytest.raises(ValueError, match="cell a shows"):
        cleaned(new_output("stream", name="stdout", text=text))


def test_paths_inside_the_project_and_units_are_no_machine_paths():
    book = cleaned(new_output("stream", name="stdout", text="runs/sample/model, frames/s, data/tmp/x, </tmp>"))
    assert book.cells[0].outputs


def test_a_failed_notebook_is_not_taken_over():
    with pytest.raises(ValueError, match="KeyError"):
        cleaned(new_output("error", ename="KeyError", evalue="'x'", traceback=[]))
