# Tab completion of Hydra's overrides in bash: source scripts/completion.bash
# Hydra completes scripts and installed programs, but not `python -m`, which is therefore passed to it as a script.

_gym_complete() {
  local line=$COMP_LINE module=gym.train
  case $line in
    *" -m gym."*) module=gym.${line#* -m gym.}; module=${module%%[[:space:]]*}; line=${line#* -m "$module"} ;;
    *scripts/train*) line=${line#*scripts/train} ;;
    *) return ;;
  esac
  local word=${COMP_WORDS[COMP_CWORD]} choices
  choices=$(COMP_LINE="python train.py$line" python -m "$module" -sc query=bash 2>/dev/null)
  mapfile -t COMPREPLY < <(compgen -o nospace -W "$choices" -- "${line##*[[:space:]]}")
}

COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _gym_complete python python3 ./scripts/train scripts/train
